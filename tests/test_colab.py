"""Colab: badges and cells are those of docs/colab.py; lessons run there from their first cell.

The slow tests run each lesson as a user of Colab does: the notebook alone, in an empty folder, with
Colab's versions and a stand-in for `google.colab`; git is led to a copy of this working tree. The
environment is the one whose Python the variable COLAB_PYTHON names, or a new one.
"""

import builtins
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import nbformat
import pytest
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

from gan_utils.exercises import versions

sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))

import colab
import colab_start

ROOT = Path(__file__).parent.parent
NOTEBOOKS = colab.find_notebooks()
LESSONS = [path for path in NOTEBOOKS if path.parent.name == "notebooks"]
EXAMPLE = "https://github.com/me/course"
BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/me/course/blob/main/{})"
)
ids = [path.relative_to(ROOT / "notebooks").as_posix() for path in NOTEBOOKS]
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)


def read(path):
    return nbformat.read(path, as_version=4)


@every_notebook
def test_badge_and_cell_are_what_the_command_writes(path):
    """If not, `python docs/colab.py` writes them."""
    name = path.relative_to(ROOT).as_posix()
    notebook = colab.insert(read(path), colab.read_address(), name)
    assert nbformat.writes(notebook) + "\n" == path.read_text(encoding="utf-8")


@every_notebook
def test_the_cell_is_folded_short_and_second(path):
    notebook = read(path)
    nbformat.validate(notebook)
    tagged = [cell for cell in notebook.cells if "colab" in cell.metadata.get("tags", [])]
    assert tagged == [notebook.cells[1]] and notebook.cells[0].cell_type == "markdown"
    lines = tagged[0].source.splitlines()
    assert lines[0].startswith("# @title ") and len([line for line in lines if line]) <= 8
    assert max(map(len, lines)) <= 88
    assert tagged[0].metadata == colab.FOLDED and not tagged[0].outputs


def test_every_notebook_of_the_course_is_found():
    folders = [path.parent.name for path in NOTEBOOKS]
    counts = [folders.count(name) for name in ("notebooks", "exercises", "solutions")]
    assert counts == [9, 11, 9] and len(folders) == sum(counts)


def test_the_badges_of_the_readme_are_what_the_command_writes():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert colab.insert_in_table(text, colab.read_address()) == text
    with_badges = colab.insert_in_table(text, EXAMPLE)
    for path in LESSONS:
        name = f"notebooks/{path.name}"
        assert f"({name}) {BADGE.format(name)} |" in with_badges
    assert colab.insert_in_table(with_badges, colab.read_address()) == text


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The course with an address."""
    folder = tmp_path_factory.mktemp("colab") / "served"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("no git")
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in files.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    command = [sys.executable, folder / "docs" / "colab.py", EXAMPLE + "/"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_command_writes_the_address_everywhere(copy):
    assert colab.read_address(copy) == EXAMPLE
    for path in colab.find_notebooks(copy):
        first, cell = read(path).cells[:2]
        assert first.source.endswith("\n\n" + BADGE.format(path.relative_to(copy).as_posix()))
        assert f'ADDRESS = "{EXAMPLE}"' in cell.source
    assert colab.write_all(EXAMPLE, copy) == []


def test_the_command_undoes_itself(copy, tmp_path):
    shutil.copytree(copy, tmp_path / "course")
    changed = colab.write_all(colab.read_address(), tmp_path / "course")
    assert len(changed) == len(NOTEBOOKS) + 2
    for path in changed:
        name = path.relative_to(tmp_path / "course")
        assert path.read_bytes() == (ROOT / name).read_bytes(), name


def test_the_students_notebooks_are_made_with_badge_and_cell(copy, tmp_path):
    """`python -m gan_utils.exercises students` and this command do not undo each other."""
    shutil.copytree(copy / "notebooks" / "solutions", tmp_path / "solutions")
    versions.write_all(tmp_path)
    made = sorted((tmp_path / "exercises").iterdir())
    assert len(made) == 9
    for path in made:
        assert path.read_bytes() == (copy / "notebooks/exercises" / path.name).read_bytes()


@pytest.mark.parametrize("address", ["github.com/me/course", "https://example.org/me/course", "x"])
def test_an_address_that_colab_cannot_open_is_refused(address):
    command = [sys.executable, ROOT / "docs" / "colab.py", address]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and f"got {address}" in done.stderr


def test_the_cell_does_nothing_elsewhere_and_names_what_is_missing_in_colab(monkeypatch, capsys):
    scope = {}
    exec(colab.CELL.format(colab.NOBODYS), scope)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    with pytest.raises(AssertionError, match="fill in ADDRESS"):
        exec(colab.CELL.format(colab.NOBODYS), scope)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Answers to give; a Drive that can be mounted, into `tmp_path`, unless `answers` is away."""
    answers = []

    def mount(place):
        if "away" in answers:
            raise ValueError("mount failed")
        (Path(place) / "MyDrive").mkdir(parents=True, exist_ok=True)

    module = types.ModuleType("google.colab")
    module.drive = types.SimpleNamespace(mount=mount)
    monkeypatch.setitem(sys.modules, "google.colab", module)
    monkeypatch.setattr(builtins, "input", lambda question: answers.pop(0))
    monkeypatch.setattr(colab_start, "DRIVE", tmp_path / "drive")
    return answers


@pytest.mark.parametrize("answer", ["gans/here", " /gans/here/ ", "MyDrive/gans/here"])
def test_runs_live_on_drive(answer, asked, tmp_path, capsys):
    asked.append(answer)
    for _ in range(2):  # the second time nothing is asked
        colab_start.keep_runs(tmp_path / "runs")
    (tmp_path / "runs" / "02_vanilla_gan" / "ci").mkdir(parents=True)
    assert (tmp_path / "drive/MyDrive/gans/here/02_vanilla_gan/ci").is_dir()
    assert "the folder gans/here of your Drive" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "drive")
    asked.append("")
    colab_start.keep_runs(tmp_path / "runs")  # Drive is gone, so it is asked again
    assert not asked and not (tmp_path / "runs").is_symlink()


def test_without_drive_runs_stay_and_a_failure_is_asked_again(asked, tmp_path, capsys):
    asked += ["gans", "away"]
    colab_start.keep_runs(tmp_path / "runs")
    out = capsys.readouterr().out
    assert "No Drive (mount failed)" in out and "is lost" in out
    asked[:] = [""]
    for _ in range(2):
        colab_start.keep_runs(tmp_path / "runs")
    assert capsys.readouterr().out.count("is lost") == 1
    assert not (tmp_path / "drive").exists()


def test_what_is_too_old_is_named(monkeypatch, capsys):
    needs = ["keras>=3.13", "numpy>=2.1"]
    monkeypatch.setattr(colab_start.metadata, "requires", lambda name: needs)
    installed = {"keras": "3.10.0", "numpy": "2.1.3"}
    monkeypatch.setattr(colab_start.metadata, "version", installed.get)
    colab_start.report_misfits()
    out = capsys.readouterr().out
    assert "The course needs keras>=3.13; here is 3.10.0." in out and "numpy" not in out


# Colab's versions in August 2026, with Python 3.13.
PINNED = "tensorflow==2.20.0 keras==3.13.2 numpy==2.1.3 matplotlib==3.10.0 ipywidgets==7.7.1"
PINNED += " ipython==7.34.0 scipy pillow ipykernel packaging"
DRIVE = """
from pathlib import Path

def mount(place):
    (Path(place) / "MyDrive").mkdir(parents=True, exist_ok=True)
    print("Mounted at", place)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with Colab's packages, which the tests may change."""
    if named := os.environ.get("COLAB_PYTHON"):
        return named
    if uv := shutil.which("uv"):
        command = [uv, "venv", "-q", "--seed", "--python", "3.13"]
    elif python := shutil.which("python3.13"):
        command = [python, "-m", "venv"]
    else:
        pytest.skip("no uv, no Python 3.13, and no environment in COLAB_PYTHON")
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([*command, folder / "env"], check=True)
    (found,) = [path for path in folder.glob("env/*/python*") if path.stem == "python"]
    subprocess.run([found, "-m", "pip", "install", "-q", *PINNED.split()], check=True)
    return str(found)


def uninstall(python):
    command = [python, "-m", "pip", "uninstall", "-q", "-y", "gan-utils"]
    subprocess.run(command, capture_output=True, check=True)


def versions_of(python):
    """What is installed, but for the package itself."""
    program = "from importlib.metadata import distributions as d\nprint([(x.name, x.version) "
    program += "for x in sorted(d(), key=lambda x: x.name) if x.name != 'gan-utils'])"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def served(copy):
    """The copy as a repository of one commit."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "The course"]):
        subprocess.run([*git, *command], cwd=copy, check=True)
    return copy


def start_kernel(python, served, folder):
    """A kernel in an empty /content, as Colab starts it."""
    for name, text in {
        "standin/google/colab/__init__.py": "",
        "standin/google/colab/drive.py": DRIVE,
        "ipython/profile_default/startup/00_colab.py": "import google.colab",
        "kernels/colab/kernel.json": json.dumps(
            {
                "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": "Colab",
                "language": "python",
            }
        ),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "content").mkdir()
    given = {"GAN_UTILS_BUDGET": "ci", "IPYTHONDIR": folder / "ipython", "GIT_CONFIG_COUNT": 1}
    given |= {"GIT_CONFIG_KEY_0": f"url.{served.as_uri()}.insteadOf", "GIT_CONFIG_VALUE_0": EXAMPLE}
    given |= {"PYTHONPATH": folder / "standin"}
    environment = {**os.environ, **{key: str(value) for key, value in given.items()}}
    environment.pop("PYTEST_CURRENT_TEST", None)
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    manager = KernelManager(kernel_name="colab", kernel_spec_manager=specs)
    manager.start_kernel(env=environment, cwd=str(folder / "content"))
    return manager


class Session:
    """Runs cells one by one and answers questions; keeps what was printed and asked."""

    def __init__(self, manager):
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=300)
        self.questions, self.printed = [], ""

    def answer(self, message):
        self.questions.append(message["content"]["prompt"])
        self.client.input("gans/runs")

    def show(self, message):
        content = message["content"]
        self.printed += content.get("text", "")
        self.printed += "\n".join(content.get("traceback", []))

    def run(self, source, may_fail=False):
        hooks = {"output_hook": self.show, "stdin_hook": self.answer}
        reply = self.client.execute_interactive(source, allow_stdin=True, timeout=900, **hooks)
        assert may_fail or reply["content"]["status"] == "ok", f"{source}\n{self.printed[-3000:]}"


def run_in_colab(cells, manager, content):
    """Run all cells, and the first once more: nothing may be asked again."""
    session = Session(manager)
    try:
        for cell in [*cells, cells[0]]:
            tags = cell.metadata.get("tags", [])
            source = cell.source.replace("/content/", f"{content}/") if "colab" in tags else None
            session.run(source or cell.source, "raises-exception" in tags)
        session.run('import os, gan_utils; print("At:", os.getcwd(), gan_utils.__file__)')
    finally:
        session.client.stop_channels()
        manager.shutdown_kernel(now=True)
    return session


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_a_lesson_runs_in_colab_from_its_first_cell(path, python, served, tmp_path):
    uninstall(python)
    before, content = versions_of(python), str(tmp_path / "content")
    cells = [c for c in read(served / "notebooks" / path.name).cells if c.cell_type == "code"]
    session = run_in_colab(cells, start_kernel(python, served, tmp_path), content)
    after = versions_of(python)
    uninstall(python)
    assert after == before and "('keras', " in before
    assert session.questions == [colab_start.QUESTION]
    at, package = re.search(r"At: (\S+) (\S+)", session.printed).groups()
    assert at == f"{content}/course/notebooks" and "site-packages" in package
    checks = sum("check" in cell.metadata.get("tags", []) for cell in cells)
    assert len(re.findall("^Checked: ", session.printed, re.M)) == checks > 0
    runs = Path(content, "course", "notebooks", "runs")
    assert runs.resolve() == Path(content, "drive", "MyDrive", "gans", "runs").resolve()
