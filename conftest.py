"""Set-up of the test run: the `ci` budget, and nbval made to see what JupyterLab shows."""

import os
import shutil
import time
from pathlib import Path
from queue import Empty

import matplotlib
import nbformat
import pytest
from nbval import kernel, plugin

os.environ.setdefault("GAN_UTILS_BUDGET", "ci")
if "PYTEST_XDIST_WORKER" not in os.environ:  # what a killed run left behind would be resumed
    for folder in (Path(__file__).parent / "notebooks" / "runs").glob("*/ci"):
        shutil.rmtree(folder, ignore_errors=True)
os.environ.pop("MPLBACKEND", None)  # the kernels inherit the environment and draw inline
matplotlib.use("Agg")  # the tests draw in this process, without a window

# nbval 0.11.0 knows nothing of display updates, waits 2,000 s for a dead kernel, and passes a cell that was never run.
# The names below are those of that release, which requirements.txt pins.
PICTURES = ("image/gif", "image/webp", "image/svg+xml", "video/mp4")


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
    """Send a cell with history, without which IPython does not see the semicolon at its end."""
    return self.kc.execute(cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


def get_kernel_message(self, timeout=None, stream="iopub"):
    """The next message that adds an output; updates of a shown figure replace it, as in a front end."""
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
    self.skip_compare = tuple(self.skip_compare) + PICTURES
    self.displays = {}


def run_cell(self):
    if self.cell.execution_count is None and self.cell.source.strip() and not self.options["skip"]:
        self.raise_cell_error("this cell was never run: execute the notebook and save it with its outputs")
    original_run(self)


original_start, plugin.IPyNbFile.__init__ = plugin.IPyNbFile.__init__, start_file
original_run, plugin.IPyNbCell.runtest = plugin.IPyNbCell.runtest, run_cell
plugin.IPyNbFile.get_kernel_message = get_kernel_message
kernel.RunningKernel.await_reply = await_reply
kernel.RunningKernel.execute_cell_input = execute_cell_input


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Tests run in random order (pytest-randomly); the cells of a notebook stay in theirs."""
    places = [i for i, item in enumerate(items) if isinstance(item, plugin.IPyNbCell)]
    cells = sorted((items[i] for i in places), key=lambda cell: (str(cell.path), cell.cell_num))
    for place, cell in zip(places, cells):
        items[place] = cell
