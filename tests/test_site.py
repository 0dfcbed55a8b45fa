"""The site: built without a warning, its links lead to pages, and it needs no network."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("website", ROOT / "docs" / "website.py")
website = importlib.util.module_from_spec(spec)
spec.loader.exec_module(website)
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("0[1-9]_*.ipynb"))
missing = [name for name in website.NEEDS if not importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"no {' and no '.join(missing)}")
# Pictures that are broken or have no description.
BAD_PICTURES = """() => [...document.querySelectorAll("article img")]
    .filter(image => !image.naturalWidth || !image.alt).map(image => image.src)"""
DARK = "() => getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "slides").mkdir()
    (folder / "slides" / "03_frog_dcgan.html").write_text("slides", encoding="utf-8")
    command = [sys.executable, str(ROOT / "docs" / "website.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return folder


def read(path):
    return path.read_text(encoding="utf-8")


def test_links_lead_to_pages(site):
    for page in site.rglob("*.html"):
        assert not re.search(r'(?:\ssrc|<link[^>]*\shref)="(?:https?:)?//', read(page)), page.name
        for link in re.findall(r'(?:href|src)="([^"]+)"', read(page)):
            parts = urlsplit(link)
            if parts.scheme or not parts.path:
                continue
            target = page.parent / unquote(parts.path)
            assert target.exists(), (page.name, link)
            anchor = parts.fragment
            assert target.suffix != ".html" or not anchor or f'id="{anchor}"' in read(target), link


def test_pages_hold_what_they_should(site):
    start = read(site / "index.html")
    article = start[start.index("<article") : start.index("</article")]
    for name in LESSONS:
        assert f'href="notebooks/{name}.html"' in article
        assert (site / "notebooks" / "exercises" / f"{name}.html").exists()
    assert 'href="slides/03_frog_dcgan.html"' in article
    api = read(site / "docs" / "api.html")
    for name in ("autodiff.learn", "training.GAN.fit", "losses.gradient_penalty"):
        assert f'id="gan_utils.{name}"' in api
    lesson = read(site / "notebooks" / "03_frog_dcgan.html")
    cell = re.search(r"<details[^>]*>\s*<summary[^>]*>(?:(?!</details>).)*Checked:", lesson, re.S)
    assert cell and not list(site.rglob("Untitled*")) and not list(site.glob("*/solutions"))


def test_pages_open_without_a_network(site):
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("no Chromium")
    faults = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(offline=True, color_scheme="light")
        context.set_default_timeout(120_000)
        tab = context.new_page()
        tab.on("request", lambda x: x.url.startswith(("file:", "data:")) or faults.append(x.url))
        tab.on("requestfailed", lambda request: faults.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        for name in ("index", "docs/api", "notebooks/01_intuition"):
            tab.goto((site / f"{name}.html").as_uri())
            assert not tab.evaluate(BAD_PICTURES)
        tab.locator("mjx-container svg").first.wait_for()
        tab.wait_for_function("() => !document.querySelector('.math:not(:has(mjx-container))')")
        assert tab.locator("mjx-container").count() > 50 and not tab.locator("mjx-merror").count()
        light = tab.evaluate(DARK)
        tab.locator(".theme-toggle:visible").first.click()
        tab.wait_for_function(f"({DARK})() != '{light}'")
        tab.locator("input[name=q]:visible").fill("collapse")
        tab.locator("input[name=q]:visible").press("Enter")
        tab.locator("#search-results a[href*='05_training_failures']").first.wait_for()
        browser.close()
    assert not faults
