"""The slides: the plan names what the lessons hold, and the pages need no network."""

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("slides", ROOT / "docs" / "slides.py")
slides = importlib.util.module_from_spec(spec)
spec.loader.exec_module(slides)
PLAN = tomllib.loads((ROOT / "docs" / "slides.toml").read_text(encoding="utf-8"))
KEYS = {"title", "text", "then", "section", "formula", "table", "picture", "hide", "code", "output"}
needs_reveal = pytest.mark.skipif(
    not importlib.util.find_spec("sphinx_revealjs"), reason=f"no reveal.js: {slides.PIP}"
)
# What of the shown slide leaves its place, and how large its picture is.
LOOK = """() => {
  const page = Reveal.getCurrentSlide().querySelector(".page"), outside = [];
  const place = page.getBoundingClientRect();
  for (const part of page.querySelectorAll("*")) {
    const own = part.getBoundingClientRect();
    if (own.bottom > place.bottom + 2 || own.right > place.right + 2) outside.push(part.tagName);
    if (part.tagName == "PRE" && part.scrollWidth > part.clientWidth + 1) outside.push("wide PRE");
  }
  const picture = page.querySelector("figure");
  return [outside, picture ? picture.clientHeight : 999];
}"""


def test_every_lesson_has_a_talk():
    assert list(PLAN) == sorted(path.stem for path in (ROOT / "notebooks").glob("0*.ipynb"))


@pytest.mark.parametrize("name", PLAN)
def test_the_plan_of_a_lesson(name):
    lesson, entries = slides.Lesson(name), PLAN[name]
    assert 10 <= len(entries) <= 22
    assert 30 <= sum(entry["minutes"] for entry in entries) <= 45
    for entry in entries:
        assert set(entry) <= KEYS | {"minutes", "note"} and entry["note"], entry
        lines = entry.get("text", []) + entry.get("then", [])
        assert len(lines) <= 5 and all(len(line.split()) <= 20 for line in lines), lines
        for key in {"picture", "code", "output"} & set(entry):
            cell = lesson.cells[entry[key].split()[0]]
            assert "check" not in cell["metadata"].get("tags", []), entry
        assert slides.make_slide(lesson, entry).startswith("<section")
        for key in {"code", "output"} & set(entry):
            assert 1 <= len(getattr(lesson, key)(entry[key]).splitlines()) <= 14, entry


def test_a_function_a_second_picture_and_what_is_missing():
    lesson = slides.Lesson("02_vanilla_gan")
    code = lesson.code("254608b6 generator_step")
    assert code.startswith("@tf.function\ndef generator_step(") and code.endswith("return loss")
    with pytest.raises(StopIteration):
        lesson.code("254608b6 no_such_function")
    with pytest.raises(IndexError):
        lesson.picture("1fc49eb8 2")
    with pytest.raises(KeyError):
        lesson.output("no_such_cell")
    assert slides.words("a < `b`, *c*, d_{e}") == (
        "a &lt; <code>b</code>, <em>c</em>, d<sub>e</sub>"
    )


@needs_reveal
@pytest.mark.parametrize("name", PLAN)
def test_a_page_loads_nothing(name):
    page = slides.make_page(name, PLAN[name])
    assert page.count("<section") == page.count('<aside class="notes">') == len(PLAN[name])
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)  # reveal.js writes tags too
    assert not re.findall(r"<(?:script|link|iframe|base)\b", own)
    assert not re.findall(r'(?:src|href)="(?!data:)', own)
    styles = "".join(re.findall(r"<style>(.*?)</style>", own, re.DOTALL))
    assert "@import" not in styles and not re.findall(r"url\((?!data:)", styles)


@needs_reveal
def test_all_slides_page_through_without_a_network(tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
        for name, entries in PLAN.items():
            path, faults, requests = tmp_path / f"{name}.html", [], []
            path.write_text(slides.make_page(name, entries), encoding="utf-8")
            tab = context.new_page()
            tab.on("request", lambda request, to=requests: to.append(request.url))
            tab.on("requestfailed", lambda request, to=faults: to.append(request.url))
            tab.on("pageerror", lambda error, to=faults: to.append(str(error)))
            tab.goto(path.as_uri())
            for number in range(len(entries)):
                while tab.evaluate("Reveal.availableFragments().next"):
                    tab.keyboard.press("Space")
                assert tab.evaluate("Reveal.getIndices().h") == number
                outside, height = tab.evaluate(LOOK)
                assert not outside and height >= 300, (name, number + 1, outside, height)
                tab.keyboard.press("Space")
            assert tab.evaluate("Reveal.isLastSlide()") and not faults
            assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
            tab.close()
        browser.close()
