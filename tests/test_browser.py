"""The lessons in JupyterLab in a real browser: Run All in `ci`, and what a student would see."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if not CHROMIUM:
    pytest.skip("no Chromium", allow_module_level=True)

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("0[1-9]_*.ipynb"))
MINUTES = 60_000  # milliseconds, as Playwright counts
# All cells in the page, whether in sight or not; no news; nothing is saved.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
    "docmanager-extension/plugin": {"autosave": False},
}
READY = """() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus == "connected" && kernel.status == "idle";
}"""
START = """() => {
  const over = word => { window.over = word; };
  const run = window.jupyterapp.commands.execute("notebook:run-all-cells");
  run.then(() => over("ran"), error => over(String(error)));
}"""
# The ends of cells that did not run, and whatever is wrong with how the others look.
LOOK = """() => {
  const faults = [], panel = window.jupyterapp.shell.currentWidget, cells = panel.content.widgets;
  for (const [number, cell] of cells.entries()) {
    const tell = (what, where) => faults.push(
      `cell ${number}: ${what}: ${where.innerText.trim().slice(0, 300)}`);
    if (cell.model.type == "code" && cell.model.executionCount === null) tell("no run", cell.node);
    for (const part of cell.node.querySelectorAll("[data-mime-type]"))
      if (/stderr|error/.test(part.dataset.mimeType)) tell("red", part);
    for (const part of cell.node.querySelectorAll(
        ".cm-scroller, .jp-OutputArea-output, .jp-RenderedMarkdown"))
      if (part.clientWidth && part.scrollWidth > part.clientWidth + 2) tell("wide", part);
    for (const part of cell.node.querySelectorAll(".jp-OutputArea-output pre")) {
      part.style.whiteSpace = "pre";  // so that a line which was wrapped sticks out
      if (part.scrollWidth > part.clientWidth + 2) tell("wrapped", part);
      part.style.whiteSpace = "";
    }
    for (const part of cell.node.querySelectorAll(".jp-OutputArea-output img"))
      if (!part.naturalWidth) tell("no picture", part);
  }
  return faults;
}"""
# One cell for each fault that LOOK tells; the last two are an error, and what it kept from running.
PLANTED = {
    "print('word ' * 40)": "wrapped",
    "import sys; sys.stderr.write('words')": "red",
    f"long = '{'x' * 150}'": "wide",
    "import IPython.display as d; d.HTML('<p style=\"width: 2000px\">table</p>')": "wide",
    "d.Image(b'no PNG', format='png')": "no picture",
    "1 / 0": "red",
    "print('after the error')": "no run",
}
OTHER = "([picture, before]) => picture.src != before && picture.complete"


@contextlib.contextmanager
def serve(folder, notebooks):
    """A JupyterLab of its own on a free port; yields its address and its token."""
    for name, settings in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime"}
    places |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    places |= {"IPYTHONDIR": "ipython"}
    own = {name: str(folder / place) for name, place in places.items()}
    # While a test runs, pytest's own variable would hide from us what students see in red.
    rest = {name: x for name, x in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"]
    command += ["--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += [f"--ServerApp.root_dir={notebooks}"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, env=rest | own, stdout=log, stderr=log)
        try:
            yield find_server(server, folder)
        finally:
            server.terminate()  # and it ends its kernels
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


def find_server(server, folder):
    """Wait until it has written where it listens."""
    for _ in range(600):
        for path in folder.glob("runtime/jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError):  # half written
                place = json.loads(path.read_text())
                return place["url"], place["token"]
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError(f"no JupyterLab: {(folder / 'log').read_text()[-2000:]}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A browser and a server of copies of the notebooks: the originals stay as they are."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns("runs", ".*"))
    with serve(folder, folder / "notebooks") as place, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(5 * MINUTES)
        yield context, *place, folder / "notebooks"
        browser.close()


@pytest.fixture
def run_all(lab):
    """Opens a notebook, runs it, waits for the end; its page stays open for the test."""
    context, url, token, _ = lab
    tab = context.new_page()

    def run(name):
        tab.goto(f"{url}lab/tree/{name}.ipynb?token={token}&reset")
        tab.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        tab.wait_for_function(READY, polling=500)
        tab.evaluate(START)
        tab.wait_for_function("() => window.over", polling=500, timeout=15 * MINUTES)
        tab.wait_for_function(READY, polling=500)
        assert tab.evaluate("() => window.over") == "ran"
        return tab

    yield run
    tab.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")
    tab.close()


def change(tab, picture, act):
    """Do something and wait until the picture is another one."""
    before = picture.get_attribute("src")
    act()
    tab.wait_for_function(OTHER, arg=[picture.element_handle(), before], polling=500)


# One with the slider of a recording and one without; the others run weekly.
MARKED = [
    pytest.param(name, marks=[pytest.mark.slow] * (name[:2] not in ("06", "09")))
    for name in LESSONS
]


@pytest.mark.parametrize("name", MARKED)
def test_a_lesson_runs_and_looks_right(run_all, name):
    tab = run_all(name)
    assert tab.evaluate(LOOK) == []
    if name[:2] not in ("03", "06"):
        return
    handle = tab.locator(".noUi-handle")  # the slider of a recording, moved by the keyboard
    picture = tab.locator(".widget-vbox", has=handle).locator("img")
    last = float(handle.get_attribute("aria-valuenow"))
    change(tab, picture, lambda: handle.press("ArrowLeft"))
    assert float(handle.get_attribute("aria-valuenow")) == last - 1


def test_the_playground_moves(run_all):
    tab = run_all("exercises/00_playground")
    assert tab.evaluate(LOOK) == []
    picture = tab.locator(".jp-OutputArea img")
    for name in ("Step D", "Step G", "Undo"):
        change(tab, picture, tab.get_by_role("button", name=name).click)


def test_faults_are_seen(run_all, lab):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in PLANTED]
    nbformat.write(notebook, lab[-1] / "planted.ipynb")
    faults = run_all("planted").evaluate(LOOK)
    assert [fault.split(": ")[1] for fault in faults] == list(PLANTED.values())
