"""The students' notebooks, made from the solutions: what stands between nbgrader's markers goes."""

import re

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
REGION = re.compile(rf"^([ ]*){BEGIN}$.*?^[ ]*{END}$\n?", re.M | re.S)
STUB = "{0}# your code\n{0}...\n"  # of a value the stub stands above the marker
KEPT = ("tags", "jupyter", "cellView")  # of a cell's metadata; the last two fold it


def clear(source):
    """The source of a cell with a stub in place of each solution.

    Raises:
        ValueError: if a marker has no partner.
    """
    cleared = REGION.sub(lambda x: STUB.format(x[1]) if x[1] else "", source).rstrip("\n")
    if BEGIN in cleared or END in cleared:
        raise ValueError(f"A marker of a solution has no partner in this cell:\n{source}")
    return cleared


def write_all(folder):
    """Write `folder/exercises/*.ipynb` from `folder/solutions/*.ipynb`; cells keep their ids."""
    import nbformat

    for path in sorted((folder / "solutions").glob("[0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.metadata = {key: cell.metadata[key] for key in KEPT if key in cell.metadata}
            cell.source = cell.source.replace("/notebooks/solutions/", "/notebooks/exercises/")
            if cell.cell_type == "code":
                cell.source, cell.outputs, cell.execution_count = clear(cell.source), [], None
        (folder / "exercises").mkdir(exist_ok=True)
        nbformat.write(notebook, folder / "exercises" / path.name)
