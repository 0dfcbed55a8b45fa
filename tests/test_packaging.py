"""What is installed: package, data and licence; an editable install works under any path.

Both are built from a copy in a folder with an umlaut and a space, without a network.
"""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

COURSE = Path(__file__).parent.parent
PARTS = ("gan_utils", "data", "README.md", "LICENSE", "pyproject.toml")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"
FIND = """
import importlib.util, site, sys
site.addsitedir(sys.argv[1])
print(ascii(importlib.util.find_spec("gan_utils").origin))
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packaging") / "Übung 1"
    folder.mkdir()
    for name in PARTS:
        if (COURSE / name).is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(COURSE / name, folder / name, ignore=skip)
        else:
            shutil.copy(COURSE / name, folder)
    return folder


def build(course, kind):
    """The files of a wheel by name; `kind` is "wheel" or "editable"."""
    target = course.parent / kind
    command = [sys.executable, "-W", "ignore", "-c", BUILD.format(kind), str(target)]
    subprocess.run(command, cwd=course, check=True, capture_output=True)
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def test_a_wheel_holds_the_package_its_data_and_the_licence(course):
    content = build(course, "wheel")
    package = COURSE / "gan_utils"
    files = [*package.rglob("*.py"), *package.rglob("*.npz")]
    expected = {path.relative_to(COURSE).as_posix() for path in files}
    expected |= {
        f"gan_utils/bundled/{path.relative_to(COURSE / 'data').as_posix()}"
        for path in (COURSE / "data").rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert {name for name in content if ".dist-info/" not in name} == expected
    (licence,) = (name for name in content if name.endswith("/licenses/LICENSE"))
    assert content[licence] == (COURSE / "LICENSE").read_bytes()
    name = "results/vanilla_digits.weights.npz"
    assert content[f"gan_utils/bundled/{name}"] == (COURSE / "data" / name).read_bytes()


def test_an_editable_install_finds_the_course_under_a_path_with_umlauts(course, tmp_path):
    content = build(course, "editable")
    # A second folder of this name would be found as a namespace package if the path below failed.
    assert not any(name.startswith("gan_utils/") for name in content)
    # Before Python 3.13 a .pth file is read in the encoding of the locale, so it must be ASCII.
    assert all(text.isascii() for name, text in content.items() if name.endswith(".pth"))
    for name, text in content.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text)
    command = [sys.executable, "-I", "-S", "-c", FIND, str(tmp_path)]
    found = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == ascii(str(course / "gan_utils" / "__init__.py"))
