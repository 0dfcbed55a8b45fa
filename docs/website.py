"""The course as a site from its stored outputs: search, light and dark; no run, no network.

    pip install "sphinx>=8.2,<10" "myst-nb>=1.3,<2" "furo>=2025.9" "sphinx-mathjax-offline==0.0.2"
    python docs/website.py FOLDER

FOLDER/index.html opens from the disk. Slides that `docs/slides.py FOLDER/slides` made before are
linked. The page of the package imports gan_utils, so this needs the environment of the course too.
"""

import argparse
import base64
import hashlib
import importlib.util
import io
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NEEDS = ("sphinx", "myst_nb", "furo", "sphinx-mathjax-offline")
PARTS = ("README.md", "TEACHING.md", "CONTRIBUTING.md", "LICENSE", "CITATION.cff", "data/README.md")
PARTS += ("data/preview.png", "docs/running.md", "benchmarks/*.md", "benchmarks/*.p[ny]*")
PARTS += ("notebooks/0*.ipynb", "notebooks/exercises/*.ipynb")
# Where links of the repository lead to on the site. Solutions are not shown.
LINKS = {"../gan_utils": "api.rst", "notebooks/exercises": "notebooks/exercises/01_intuition.ipynb"}
LINKS |= {"notebooks/solutions": "TEACHING.md"}
CONTENTS = {
    "Lessons": ["notebooks/*"],
    "Exercises": ["notebooks/exercises/*"],
    "More": ["TEACHING", "docs/running", "docs/api", "benchmarks/*", "CONTRIBUTING", "data/README"],
}
CONFIG = {
    "project": "GANs in Keras, step by step",
    "root_doc": "README",
    "extensions": ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"],
    "nb_execution_mode": "off",
    "nb_merge_streams": True,
    "myst_enable_extensions": ["dollarmath"],
    "myst_heading_anchors": 3,
    "highlight_language": "text",
    "default_role": "code",
    "autodoc_default_options": {"members": True, "member-order": "bysource"},
    "autodoc_inherit_docstrings": False,  # those of Keras are written for another tool
    "mathjax_path": "tex-svg-full.js",  # formulas as SVG: one file, no fonts
    "html_theme": "furo",
    "html_theme_options": {"light_css_variables": {"code-font-size": "80%"}},  # 88 characters
    "html_title": "GANs in Keras, step by step",
    "html_copy_source": False,
    "html_show_copyright": False,
    "html_show_search_summary": False,  # it would read pages, which browsers forbid on a disk
}


def mark(notebook):
    """Fold check cells below their titles, drop the one for Colab; descriptions of the pictures."""
    described = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if png := "".join(output.get("data", {}).get("image/png", "")):
                name = hashlib.sha256(base64.b64decode(png)).hexdigest()
                described[name] = output["metadata"].get("image/png", {}).get("alt", "")
        tags = cell["metadata"].setdefault("tags", [])
        if "colab" in tags:
            tags.append("remove-cell")
        if "check" in tags:
            tags.append("hide-cell")
            title = re.match(r"# @title (.*)", "".join(cell["source"]))[1]
            cell["metadata"]["mystnb"] = {"code_prompt_show": title, "code_prompt_hide": title}
    return described


def write_sources(folder, slides):
    """Copy what the site shows, with a table of contents; descriptions of pictures by checksum."""
    described = {}
    for path in sorted(path for part in PARTS for path in ROOT.glob(part)):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ipynb":
            notebook = json.loads(path.read_text(encoding="utf-8"))
            described |= mark(notebook)
            copy.write_text(json.dumps(notebook), encoding="utf-8")
        elif path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            for link, page in LINKS.items():
                text = text.replace(f"]({link})", f"]({page})")
            copy.write_text(text, encoding="utf-8")
        else:
            shutil.copy(path, copy)
    with open(folder / "README.md", "a", encoding="utf-8") as start:
        links = (f'<a href="slides/{name}.html">{name[:2]}</a>' for name in slides)
        start.write(f"\n* Slides: {' · '.join(links)}\n" if slides else "")
        for caption, pages in CONTENTS.items():
            options = f":hidden:\n:glob:\n:caption: {caption}"
            start.write("\n".join(["\n```{toctree}", options, "", *pages, "```\n"]))
    return described


def write_api(folder):
    """The page of the package: its modules from their docstrings."""
    names = sorted(path.stem for path in (ROOT / "gan_utils").glob("[a-z]*.py")) + ["exercises"]
    parts = [f"{name}\n{'-' * len(name)}\n\n.. automodule:: gan_utils.{name}\n" for name in names]
    text = "\n".join(["The package gan_utils", "=" * 21, "", *parts])
    (folder / "docs" / "api.rst").write_text(text, encoding="utf-8")


def build(folder, work):
    """Build the site in a folder; returns its warnings."""
    from docutils import nodes
    from sphinx.application import Sphinx

    slides = sorted(path.stem for path in (folder / "slides").glob("*.html"))
    described = write_sources(work / "source", slides)
    write_api(work / "source")
    mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
    own = {"html_static_path": [str(mathjax / "static" / "mathjax" / CONFIG["mathjax_path"])]}
    told, pages = io.StringIO(), work / "pages"
    places = work / "source", None, pages, work / "doctrees"
    app = Sphinx(*places, "html", CONFIG | own, status=None, warning=told, freshenv=True)

    def describe(app, doctree):
        for image in doctree.findall(nodes.image):
            if alt := described.get(Path(image["uri"]).stem):
                image["alt"] = alt

    app.connect("doctree-read", describe)
    app.build()
    shutil.copy(pages / "README.html", pages / "index.html")
    shutil.copytree(pages, folder, dirs_exist_ok=True)
    return told.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if missing := [name for name in NEEDS if not importlib.util.find_spec(name)]:
        parser.error(f"no {', '.join(missing)}: see the top of docs/website.py")
    with tempfile.TemporaryDirectory() as work:
        warnings = build(folder, Path(work).resolve())
    print(warnings, end="", file=sys.stderr)
    print(f"{folder / 'index.html'}: {len(list(folder.rglob('*.html')))} pages")
    sys.exit(1 if warnings else 0)


if __name__ == "__main__":
    main()
