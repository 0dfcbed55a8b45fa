"""What the first cell of each notebook runs in Google Colab, once the course is fetched.

It installs the package, goes to `notebooks` and asks once for a folder of Google Drive for `runs`.
"""

import importlib.util
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

COURSE = Path(__file__).resolve().parent.parent
DRIVE = COURSE.parent / "drive"
QUESTION = "Folder of your Google Drive for what the notebooks write (empty: do not keep it): "


def install():
    """The package alone: what Colab brings, above all NumPy, Keras and TensorFlow, stays."""
    if importlib.util.find_spec("gan_utils") is None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", str(COURSE)], check=True)
        importlib.invalidate_caches()


def report_misfits():
    """Name what is older than the package needs: another runtime helps, an upgrade rarely."""
    from packaging.requirements import Requirement

    for need in map(Requirement, metadata.requires("gan-utils")):
        if metadata.version(need.name) not in need.specifier:
            print(f"The course needs {need}; here is {metadata.version(need.name)}. Choose the")
            print("latest version in Runtime > Change runtime type, and run this cell again.")


def mount_drive(folder):
    """The folder of this name on Drive, made if need be; None if it cannot be had."""
    try:
        from google.colab import drive

        drive.mount(str(DRIVE))
        found = DRIVE / "MyDrive" / folder
        found.mkdir(parents=True, exist_ok=True)
        return found
    except Exception as error:  # the window was closed, or Drive is full or away
        print(f"No Drive ({error}). Run this cell again to try again.")


def keep_runs(runs):
    """Make `runs`, on Drive if somebody wants it. Where it is, the question was answered."""
    if runs.exists():
        return
    runs.unlink(missing_ok=True)  # a link to a Drive that is no longer mounted
    answer = input(QUESTION).strip(" /").removeprefix("content/drive/").removeprefix("MyDrive/")
    folder = mount_drive(answer) if answer else None
    if folder:
        runs.symlink_to(folder, target_is_directory=True)
        print(f"What the notebooks write goes to the folder {answer} of your Drive.")
    else:
        print("What the notebooks write is lost when Colab takes this machine back.")
        if not answer:
            runs.mkdir()


if __name__ == "__main__":
    install()
    report_misfits()
    os.chdir(COURSE / "notebooks")
    keep_runs(COURSE / "notebooks" / "runs")
