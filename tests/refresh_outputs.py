"""Run notebooks from the top in the classroom budget and store their outputs: `python tests/refresh_outputs.py NOTEBOOK...`"""

import os
import shutil
import sys
import time

import nbformat
from nbclient import NotebookClient

# Without this, ipykernel would also store what C++ libraries print, which nbval does not see.
os.environ["PYTEST_CURRENT_TEST"] = "1"
os.environ.setdefault("GAN_UTILS_BUDGET", "classroom")


def refresh(path):
    notebook = nbformat.read(path, as_version=4)
    began = time.time()
    folder = os.path.dirname(os.path.abspath(path))
    # What an interrupted refresh left behind would be resumed, perhaps with code that has changed since.
    shutil.rmtree(os.path.join(folder, "runs", os.path.basename(path).split(".")[0]), ignore_errors=True)
    NotebookClient(notebook, timeout=7200, record_timing=False, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
        for output in cell.get("outputs", ()):  # a stored slider has no kernel: front ends would show an error in its place
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    notebook.metadata = {key: value for key, value in notebook.metadata.items() if key in ("kernelspec", "language_info")}
    nbformat.write(notebook, path)
    print(f"{path}: {time.time() - began:.0f} s")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(name)
