"""Set-up of the test run: the `ci` budget, and nbval made to see what JupyterLab shows."""

import functools
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty

import matplotlib
import nbformat
import pytest
from nbval import kernel, plugin

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tests"))
import pictures  # noqa: E402

os.environ.setdefault("GAN_UTILS_BUDGET", "ci")
if "PYTEST_XDIST_WORKER" not in os.environ:  # what a killed run left behind would be resumed
    for folder in (ROOT / "notebooks" / "runs").glob("*/ci"):
        shutil.rmtree(folder, ignore_errors=True)
# Kernels inherit the environment: they draw inline and show a student's warnings.
for name in ("MPLBACKEND", "PYTHONWARNINGS"):
    os.environ.pop(name, None)
# One thread each: two kernels with two threads each, on two cores, wait for one another.
for name in ("TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")
matplotlib.use("Agg")  # the tests draw in this process, without a window

# nbval 0.11.0 knows nothing of display updates, waits 2,000 s for a dead kernel, passes a cell that
# was never run, and compares no picture. The names below are those of that release.
UNCOMPARED = ("image/gif", "image/webp", "image/svg+xml", "video/mp4")


def pytest_configure(config):
    """The file of nbval's rules is found from every working folder."""
    rules = config.option.nbval_sanitize_with
    if rules and not Path(rules).is_absolute():
        config.option.nbval_sanitize_with = str(ROOT / rules)


@functools.cache
def lessons():
    """The committed lessons; a copy or an Untitled.ipynb beside them is somebody's own affair."""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if shutil.which("git"):
        command = ["git", "ls-files", "*.ipynb"]
        names = subprocess.run(
            command, cwd=ROOT / "notebooks", capture_output=True, text=True
        ).stdout
        if names:
            return [path for path in paths if path.name in names.splitlines()]
    return [path for path in paths if re.fullmatch(r"0\d_[a-z_]+", path.stem)]


def pytest_ignore_collect(collection_path):
    if collection_path.parent == ROOT / "notebooks" and collection_path.suffix == ".ipynb":
        return collection_path not in lessons() or None
    if collection_path.parent == ROOT / "notebooks" / "exercises":
        return True  # they have no outputs to compare: test_exercises runs them


def await_reply(self, msg_id, timeout=None):
    """Wait for the reply to a cell, but no longer than the kernel lives."""
    end = time.monotonic() + (timeout or 2000)
    while True:
        try:
            message = self.get_message(stream="shell", timeout=1)
        except Empty:
            if not self.is_alive():
                raise RuntimeError("the kernel died in this cell (out of memory?)") from None
            if time.monotonic() > end:
                raise
            continue
        if message["parent_header"].get("msg_id") == msg_id:
            if message["content"]["status"] == "aborted":
                raise RuntimeError("the kernel was aborted")
            return


def execute_cell_input(self, cell_input, allow_stdin=None):
    """Send a cell with history, or IPython does not see the semicolon at its end."""
    return self.kc.execute(
        cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


def get_kernel_message(self, timeout=None, stream="iopub"):
    """The next message that adds an output; updates replace the shown figure, as in a front end."""
    while True:
        message = self.kernel.get_message(stream, timeout=timeout)
        kind, content = message["msg_type"], message["content"]
        display_id = content.get("transient", {}).get("display_id")
        if kind == "update_display_data":
            for data in self.displays.get(display_id, ()):
                data.clear()
                data.update(nbformat.from_dict(content["data"]))
            continue
        if kind in ("display_data", "execute_result"):
            content["data"] = nbformat.from_dict(content["data"])
            if display_id:
                self.displays.setdefault(display_id, []).append(content["data"])
        return message


def start_file(self, *args, **kwargs):
    original_start(self, *args, **kwargs)
    self.skip_compare = tuple(self.skip_compare) + UNCOMPARED
    self.displays = {}


def run_cell(self):
    if self.cell.execution_count is None and self.cell.source.strip() and not self.options["skip"]:
        self.raise_cell_error("this cell was never run: execute the notebook and save its outputs")
    original_run(self)


def compare_outputs(self, test, ref, skip_compare=None):
    """Texts as nbval compares them, then the pictures, unless they depend on the budget."""
    if not original_compare(self, test, ref, skip_compare):
        return False
    if "nbval-ignore-picture" in self.cell.metadata.get("tags", ()):
        return True
    for number, (stored, drawn) in enumerate(
        zip(find_pictures(ref), find_pictures(test), strict=True)
    ):
        difference = pictures.difference(stored, drawn)
        if difference > 1:
            self.comparison_traceback.append(
                f"Picture {number + 1} is not the stored one: {difference:.2f} times what another "
                "font changes. If the new one is right, refresh the notebook's outputs."
            )
            return False
    return True


def find_pictures(outputs):
    return [
        output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]


original_start, plugin.IPyNbFile.__init__ = plugin.IPyNbFile.__init__, start_file
original_run, plugin.IPyNbCell.runtest = plugin.IPyNbCell.runtest, run_cell
original_compare, plugin.IPyNbCell.compare_outputs = (
    plugin.IPyNbCell.compare_outputs,
    compare_outputs,
)
plugin.IPyNbFile.get_kernel_message = get_kernel_message
kernel.RunningKernel.await_reply = await_reply
kernel.RunningKernel.execute_cell_input = execute_cell_input


# Files of a minute come first, so that no worker is left alone with one at the end.
LONG = (
    "test_browser",
    "test_exercises",
    "test_capstone",
    "test_checkpoint",
    "test_benchmarks",
    "test_planted_bugs",
    "test_training",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Tests run in random order (pytest-randomly); the cells of a notebook stay in theirs."""
    places = [i for i, item in enumerate(items) if isinstance(item, plugin.IPyNbCell)]
    cells = sorted((items[i] for i in places), key=lambda cell: (str(cell.path), cell.cell_num))
    for place, cell in zip(places, cells):
        items[place] = cell
    items.sort(key=lambda item: item.path.suffix != ".ipynb" and item.path.stem not in LONG)
