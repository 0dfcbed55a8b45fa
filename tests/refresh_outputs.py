"""Run notebooks from the top in the classroom budget and store their outputs.

`python tests/refresh_outputs.py NOTEBOOK...`
"""

import base64
import io
import os
import shutil
import sys
import time

import nbformat
from nbclient import NotebookClient
from PIL import Image

# The kernel inherits the environment, and must show what a student's front end shows: inline
# figures, a student's warnings, and what C++ libraries print, which ipykernel hides in a test.
for name in ("MPLBACKEND", "PYTHONWARNINGS", "PYTEST_CURRENT_TEST"):
    os.environ.pop(name, None)
os.environ.setdefault("GAN_UTILS_BUDGET", "classroom")


def compress(data):
    """Store the same pixels in a tenth less: without the unused alpha channel, well compressed."""
    if "image/png" not in data:
        return
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
        if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
            buffer = io.BytesIO()
            picture.convert("RGB").save(buffer, "PNG", optimize=True)
            data["image/png"] = base64.b64encode(buffer.getvalue()).decode()


def clean(cell):
    """Keep of a cell's metadata the tags and what folds it, and of its outputs' the alt texts."""
    kept = {key: cell.metadata[key] for key in ("tags", "cellView") if key in cell.metadata}
    if cell.metadata.get("jupyter", {}).get("source_hidden"):
        kept["jupyter"] = {"source_hidden": True}
    cell.metadata = nbformat.from_dict(kept)
    for output in cell.get("outputs", ()):
        # A stored slider has no kernel: front ends would show an error in its place.
        output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        compress(output.get("data", {}))
        if "metadata" in output:
            alt = output.metadata.get("image/png", {}).get("alt")
            output.metadata = nbformat.from_dict({"image/png": {"alt": alt}} if alt else {})


def refresh(path):
    notebook = nbformat.read(path, as_version=4)
    began = time.time()
    folder = os.path.dirname(os.path.abspath(path))
    # What an interrupted refresh left behind would be resumed, perhaps with changed code.
    shutil.rmtree(
        os.path.join(folder, "runs", os.path.basename(path).split(".")[0]), ignore_errors=True
    )
    NotebookClient(
        notebook, timeout=7200, record_timing=False, resources={"metadata": {"path": folder}}
    ).execute()
    for cell in notebook.cells:
        clean(cell)
    notebook.metadata = {
        key: value
        for key, value in notebook.metadata.items()
        if key in ("kernelspec", "language_info")
    }
    nbformat.write(notebook, path)
    print(f"{path}: {time.time() - began:.0f} s")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(name)
