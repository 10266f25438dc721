"""A headless Chromium, and made-up discs in write-protected folders that it opens from file://."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

import json
import warnings
from pathlib import Path

import pytest
from browser import sample_disc, viewer_files
from browser.looking import STATE
from browser.webdriver import Browser, Driver, missing_programs


def pytest_collection_modifyitems(items):
    """All in one process of xdist: one browser, one set of discs, and processors for the others."""
    here = Path(__file__).parent
    for each in items:
        if here in each.path.parents:
            each.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    missing = missing_programs()
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    started = Driver(tmp_path_factory.mktemp("chromedriver"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def chromium(driver, tmp_path_factory):
    """One browser for all tests that need nothing special of it."""
    downloads = tmp_path_factory.mktemp("downloads")
    browser = Browser(driver, tmp_path_factory.mktemp("profile"), downloads=downloads)
    browser.downloads = downloads
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def phone(driver, tmp_path_factory):
    browser = Browser(driver, tmp_path_factory.mktemp("phone"), 390, 844, touch=True)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def disc_page(tmp_path_factory):
    """The page of a disc with one series of each kind."""
    folder = tmp_path_factory.mktemp("disc") / "disc"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page = sample_disc.make(folder, 12)
    viewer_files.protect(folder)
    yield page
    viewer_files.unprotect(folder)


@pytest.fixture
def write_page(tmp_path):
    """Write a Disc into a write-protected folder and give its page."""
    made = []

    def write(disc):
        folder = tmp_path / f"disc{len(made)}"
        page = disc.write(folder)
        viewer_files.protect(folder)
        made.append(folder)
        return page

    yield write
    for folder in made:
        viewer_files.unprotect(folder)


#: Set before the page's own scripts: what must never happen is counted.
WATCH = """
window.violations = []; window.asked = [];
document.addEventListener("securitypolicyviolation", e => violations.push(e.violatedDirective + " " + e.blockedURI));
for (const name of ["fetch"]) window[name] = (original => (...a) => { asked.push(String(a[0])); return original(...a); })(window[name]);
for (const name of ["localStorage", "sessionStorage", "indexedDB", "caches"]) {
    Object.defineProperty(window, name, { get() { asked.push(name); return undefined; } });
}
"""


def requested(browser):
    """Addresses that the browser asked for since the last call, blob: and data: left out."""
    found = []
    for entry in browser.log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(message["params"]["request"]["url"])
    # chrome-extension: is the browser's own viewer of PDF files
    return [a for a in found if not a.startswith(("blob:", "data:", "chrome-extension:"))]


@pytest.fixture
def open_page(chromium):
    """Open a page and wait until the first image is there; afterwards nothing may be amiss."""
    opened = []

    def open_it(page, browser=chromium, wait="ready", fragment="", allow=()):
        browser.open("about:blank")
        browser.log()
        requested(browser)
        if not getattr(browser, "watches", False):
            browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
            browser.watches = True
        browser.open(page.as_uri() + fragment)
        browser.wait_for("document.documentElement.dataset.viewer === given[0]", wait)
        opened.append((browser, allow))
        return browser

    yield open_it
    for browser, allow in opened[-1:]:
        console = [
            line["message"] for line in browser.log() if line["level"] in ("SEVERE", "WARNING")
        ]
        assert [
            line
            for line in console
            if not any(part in line for part in (*allow, "willReadFrequently"))
        ] == []
        assert browser.run("return window.violations") == []
        assert browser.run("return window.asked") == []
        assert [address for address in requested(browser) if not address.startswith("file:")] == []


@pytest.fixture
def call(chromium, disc_page):
    """Call functions of the page: the body of an async function, and its arguments."""
    if chromium.run("return !(window.MKISO && MKISO.lut)"):
        chromium.open(disc_page.as_uri())
        chromium.wait_for("document.documentElement.dataset.viewer === 'ready'")
    return chromium.eval


@pytest.fixture
def page(open_page, disc_page):
    """The made-up disc, opened, in a browser that can say how the active window stands."""
    browser = open_page(disc_page)
    browser.state = lambda: browser.run(STATE)
    browser.frames = lambda: browser.eval(
        "await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)));"
    )
    return browser
