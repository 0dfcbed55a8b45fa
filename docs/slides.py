"""Slides of the lessons from their stored outputs: a page of HTML each; no run, no network.

    pip install --no-deps sphinx-revealjs==3.2.1 && python docs/slides.py FOLDER [LESSON...]

docs/slides.toml is the talk: what stands on each slide, minutes, what to say. It names cells by id,
so each figure and function is the lesson's own. reveal.js, which pages, comes with sphinx-revealjs
and is written into each page. Keys: space and arrows page, s opens a window with notes and a clock.
"""

import argparse
import ast
import base64
import html
import importlib.util
import io
import json
import re
import struct
import tomllib
from pathlib import Path
from string import Template

from matplotlib import font_manager, mathtext
from pygments import formatters, highlight, lexers

DOCS = Path(__file__).parent
PIP = "pip install --no-deps sphinx-revealjs==3.2.1"
WIDTH, HEIGHT = 1240, 680  # of what stands on a slide; the page adds a margin


class Lesson:
    """The stored cells of a lesson. What it does not have is an error."""

    def __init__(self, name):
        path = DOCS.parent / "notebooks" / f"{name}.ipynb"
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        self.cells = {cell["id"]: cell for cell in cells}
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        self.text = "\n\n".join(texts)

    def section(self, title):
        """The paragraph below a heading."""
        found = re.search(rf"^#+ {re.escape(title)}\n+(.+?)(?:\n\n|\Z)", self.text, re.M | re.S)
        return " ".join(found[1].split())

    def picture(self, reference):
        """PNG and description: "id", or "id 2" for the second picture of a cell."""
        name, _, place = reference.partition(" ")
        shown = [o for o in self.cells[name]["outputs"] if "image/png" in o.get("data", {})]
        found, kind = shown[int(place or 1) - 1], "image/png"
        png = base64.b64decode("".join(found["data"][kind]))
        return png, found["metadata"].get(kind, {}).get("alt", "")

    def code(self, reference):
        """A cell without its title, or "id name": one function of it, decorators too."""
        name, _, wanted = reference.partition(" ")
        source = re.sub(r"^# @title.*\n", "", "".join(self.cells[name]["source"]))
        if not wanted:
            return source
        found = next(x for x in ast.parse(source).body if getattr(x, "name", None) == wanted)
        first = min([found.lineno, *(x.lineno for x in found.decorator_list)])
        return "\n".join(source.splitlines()[first - 1 : found.end_lineno])

    def output(self, name):
        return "".join("".join(o.get("text", "")) for o in self.cells[name]["outputs"]).strip("\n")


def words(text):
    """A line of the plan as HTML: `code`, *stress*, p_{data}, x^{2}."""
    text = html.escape(text, quote=False)
    marks = {r"`(.+?)`": "code", r"\*(.+?)\*": "em", r"_\{(.+?)\}": "sub", r"\^\{(.+?)\}": "sup"}
    for pattern, tag in marks.items():
        text = re.sub(pattern, rf"<{tag}>\1</{tag}>", text)
    return text


def image(kind, data, alt):
    start = f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,'
    return f'{start}{base64.b64encode(data).decode()}">'


def make_slide(lesson, entry):
    """One slide of the plan as HTML."""
    lines = [lesson.section(entry["section"])] if "section" in entry else entry.get("text", [])
    text = "".join(f"<p>{words(line)}</p>" for line in lines)
    then = "".join(f'<p class="fragment">{words(line)}</p>' for line in entry.get("then", []))
    kind, parts = "body", [f"<div>{text}</div>"] if text else []
    if "formula" in entry:
        file, letters = io.BytesIO(), font_manager.FontProperties(size=32, math_fontfamily="cm")
        mathtext.math_to_image(f"${entry['formula']}$", file, prop=letters, format="svg")
        parts.append(image("svg+xml", file.getvalue(), entry["formula"]))
    if "table" in entry:
        rows = [f"<tr><td>{'</td><td>'.join(map(words, row))}</td></tr>" for row in entry["table"]]
        parts.append(f"<table>{''.join(rows)}</table>")
    room = HEIGHT - 75 - 55 * (text + then).count("<p")
    if "picture" in entry:
        png, alt = lesson.picture(entry["picture"])
        width, height = struct.unpack(">II", png[16:24])
        if not then and min(700 / width, 600 / height) > min(WIDTH / width, room / height):
            kind = "body beside"  # so the picture is larger
        later = "fragment" if entry.get("hide") else ""
        parts.append(f"<figure class='{later}'>{image('png', png, alt)}</figure>")
    both = 0.64 if "code" in entry and "output" in entry else 1
    for block, lexer in {"code": lexers.PythonLexer(), "output": lexers.TextLexer()}.items():
        if block in entry:
            rows = getattr(lesson, block)(entry[block]).splitlines()
            wide, high = (WIDTH - 40) / 0.61 / max(map(len, rows)), room / 1.55 / len(rows)
            look = formatters.HtmlFormatter(nowrap=True, noclasses=True, style="default")
            style = f'class="{block}" style="font-size: {min(32, wide, high * both):.1f}px"'
            parts.append(f"<pre {style}>{highlight(chr(10).join(rows), lexer, look)}</pre>")
    parts += [f"<div>{then}</div>"] if then else []
    kind += "" if "picture" in entry else " alone"
    title = f"<h2>{words(entry.get('title', ''))}</h2>"
    if "title" not in entry:  # the first slide: name and question of the lesson
        name, question = re.match(r"# (.+)\s+\*\*Question:\*\* (.+)", lesson.text).groups()
        title = f"<h1>{name}</h1><p class='question'>{question}</p>"
    page = f'<div class="page">{title}<div class="{kind}">{"".join(parts)}</div></div>'
    note = f'<aside class="notes"><b>{entry["minutes"]} min.</b> {words(entry["note"])}</aside>'
    return f'<section data-timing="{round(60 * entry["minutes"])}">{page}{note}</section>'


def make_page(name, slides):
    """A whole page. sphinx-revealjs is not imported."""
    spec = importlib.util.find_spec("sphinx_revealjs")
    folder, lesson = Path(spec.origin).parent / "_static" / "revealjs", Lesson(name)
    parts = {"name": name, "slides": "\n".join(make_slide(lesson, slide) for slide in slides)}
    for key in "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js":
        parts[key.split("/")[-1].replace(".", "_")] = (folder / key).read_text(encoding="utf-8")
    template = Template((DOCS / "slides.html").read_text(encoding="utf-8"))
    return template.substitute(parts, width=WIDTH, height=HEIGHT)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="as 03; none: all")
    arguments = parser.parse_args()
    plan = tomllib.loads((DOCS / "slides.toml").read_text(encoding="utf-8"))
    for name in arguments.lessons or plan:
        name = next((known for known in plan if known[:2] == name[:2]), name)
        if name not in plan or not importlib.util.find_spec("sphinx_revealjs"):
            parser.error(f"no reveal.js: {PIP}" if name in plan else f"no lesson {name}")
        path, minutes = arguments.folder / f"{name}.html", sum(x["minutes"] for x in plan[name])
        arguments.folder.mkdir(parents=True, exist_ok=True)
        path.write_text(make_page(name, plan[name]), encoding="utf-8")
        print(f"{path}: {len(plan[name])} slides, {minutes} minutes")


if __name__ == "__main__":
    main()
