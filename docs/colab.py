"""Badges and first cells with which every notebook opens in Google Colab by one click.

    python docs/colab.py [https://github.com/me/course]

The address of the repository stands in pyproject.toml. This program writes it there, and from there
a badge and a folded cell into each notebook and badges into README.md. Without an argument it takes
the stored address, as is needed for a new notebook. Running it twice changes nothing.
"""

import argparse
import re
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
NOBODYS = "https://github.com/OWNER/REPOSITORY"  # stands for an address; badges would lead nowhere
BRANCH = "main"
CELL = """\
# @title Only for Google Colab: installs the course. Elsewhere it does nothing.
ADDRESS = "{}"  # @param {{type: "string"}}
import sys

if "google.colab" in sys.modules:
    assert "/OWNER/" not in ADDRESS, "Nobody said where the course is: fill in ADDRESS."
    clone = f"cd /content/; [ -e course ] || git clone -q --depth 1 {{ADDRESS}} course"
    get_ipython().system(clone)
    get_ipython().run_line_magic("run", "/content/course/docs/colab_start.py")"""
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["colab"]}
BADGE = re.compile(r"\s*\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)")


def read_address(root=ROOT):
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]


def find_notebooks(root=ROOT):
    """Lessons, exercises and solutions; not a copy that lies beside them."""
    paths = sorted((root / "notebooks").rglob("*.ipynb"))
    return [path for path in paths if re.fullmatch(r"\d\d_[a-z_]+", path.stem)]


def make_badge(address, name):
    """The badge of a notebook, named from the root of the repository; none without an address."""
    if address == NOBODYS:
        return ""
    host = "https://colab.research.google.com"
    link = f"{host}/github/{address.removeprefix('https://github.com/')}/blob/{BRANCH}/{name}"
    return f"[![Open in Colab]({host}/assets/colab-badge.svg)]({link})"


def remove(notebook):
    """The notebook without badge and cell."""
    cells = [c for c in notebook.cells if "colab" not in c.metadata.get("tags", [])]
    cells[0].source = BADGE.sub("", cells[0].source)
    notebook.cells = cells
    return notebook


def insert(notebook, address, name):
    """Badge and cell into a notebook; where it was run, the cell is the first of the run."""
    first = remove(notebook).cells[0]
    first.source = f"{first.source}\n\n{make_badge(address, name)}".rstrip("\n")
    source, metadata = CELL.format(address), nbformat.from_dict(FOLDED)
    cell = nbformat.v4.new_code_cell(source, id="colab", metadata=metadata)
    notebook.cells.insert(1, cell)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    if any(c.execution_count for c in code):
        for number, cell in enumerate(code, 1):
            cell.execution_count = number
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = number
    return notebook


def insert_in_table(text, address):
    """Badges into the table of lessons of README.md, one behind each link."""

    def with_badge(found):
        return f"{found[0]} {make_badge(address, found[1])}".rstrip(" ")

    rows = r"(?<=^\| )\[[^]]*\]\((notebooks/\w+\.ipynb)\)"
    return re.sub(rows, with_badge, BADGE.sub("", text), flags=re.M)


def write_all(address, root=ROOT):
    """The address into pyproject.toml, README.md and all notebooks. Returns what has changed."""
    project, readme = root / "pyproject.toml", root / "README.md"
    text = project.read_text(encoding="utf-8")
    line = rf'\g<1>"{address}"'
    texts = {project: re.sub(r'^(Repository = )"[^"]*"', line, text, flags=re.M)}
    texts[readme] = insert_in_table(readme.read_text(encoding="utf-8"), address)
    for path in find_notebooks(root):
        notebook = nbformat.read(path, as_version=4)
        name = path.relative_to(root).as_posix()
        texts[path] = nbformat.writes(insert(notebook, address, name)) + "\n"
    changed = [path for path, text in texts.items() if path.read_bytes() != text.encode()]
    for path in changed:
        path.write_bytes(texts[path].encode())
    return changed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", default=read_address(), help="of the repository")
    address = parser.parse_args().address.removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        parser.error(f"got {address}; Colab needs an address as https://github.com/me/course")
    for path in write_all(address):
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
