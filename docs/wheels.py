"""Folders of wheels for a class without a network, and the whole course as one archive.

    pip install uv && python docs/wheels.py FOLDER [windows mac linux] [--python 3.12]

uv finds the versions that fit each system, pip fetches them: 400 to 800 MB a system. On a student's
computer, in the folder of the unpacked archive, in a new virtual environment:

    pip install --no-index --find-links wheels/windows gan-utils -r wheels/windows.txt
"""

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What uv calls a system, and which wheels fit it.
SYSTEMS = {
    "windows": ("x86_64-pc-windows-msvc", ["win_amd64"]),
    "mac": ("aarch64-apple-darwin", [f"macosx_{n}_0_arm64" for n in (11, 12, 13, 14)]),
    "linux": ("x86_64-unknown-linux-gnu", [f"manylinux_2_{n}_x86_64" for n in (28, 27, 17, 12)]),
}
ALIASES = ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]


def run(*command):
    subprocess.run([*map(str, command)], check=True, cwd=ROOT)


def collect(folder, system, python):
    """All wheels of one system, and the list of their versions."""
    name, platforms = SYSTEMS[system]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted, found = folder / "requirements.in", folder / f"{system}.txt"
    wanted.write_text("\n".join(line for line in lines if line[:1] not in ("#", "-")))
    options = ["--python-version", python, "--python-platform", name]
    options += ["--no-annotate", "--no-header", "--quiet", "-o", found]
    run(sys.executable, "-m", "uv", "pip", "compile", *options, "pyproject.toml", wanted)
    wanted.unlink()
    platforms = platforms + ALIASES * (system == "linux")
    tags = [part for tag in platforms for part in ("--platform", tag)]
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--python-version", python]
    options += ["--implementation", "cp", *tags, "-r", found, "-d", folder / system]
    run(sys.executable, "-m", "pip", "download", *options)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", ".", "-w", folder / system)


def pack(folder):
    """`course.zip` beside the wheels: every file that git knows, and the wheels."""
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    with zipfile.ZipFile(folder / "course.zip", "w", zipfile.ZIP_STORED) as archive:
        for name in listed.stdout.splitlines():
            archive.write(ROOT / name, f"course/{name}")
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".whl", ".txt"):
                archive.write(path, f"course/wheels/{path.relative_to(folder).as_posix()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("systems", nargs="*", default=list(SYSTEMS))
    parser.add_argument("--python", default="3.12")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    for system in arguments.systems:
        (folder / system).mkdir(parents=True, exist_ok=True)
        collect(folder, system, arguments.python)
        print(f"{system}: {len(list((folder / system).iterdir()))} wheels")
    pack(folder)
    print(f"{folder / 'course.zip'}: {(folder / 'course.zip').stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
