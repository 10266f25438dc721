"""How fast the viewer is: run by hand, the figures stand in docs/viewer.md; nothing is asserted.

python tests/browser/measure.py [slices] [slices] …
"""

# ruff: noqa: E501, T201 - calls of the page's functions stand on one line; prints its table

import json
import os
import statistics
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from browser import viewer_files as files
from browser.sample_disc import CT, ct_volume
from browser.webdriver import Browser, Driver

DIFFERENT = 60

WATCH = """
window.longTasks = [];
new PerformanceObserver(list => list.getEntries().forEach(e => longTasks.push([Math.round(e.startTime), Math.round(e.duration)]))).observe({ type: "longtask", buffered: true });
"""

#: A notch of the wheel each frame of the screen, for some seconds, once down and once up.
SCROLL = """
    const v = MKISO.app.active(), target = v.graphicsCanvas, seen = new Set(), gaps = [];
    v.go(0);
    while (v.shown !== 0) await new Promise(requestAnimationFrame);
    longTasks.length = 0;
    let before = performance.now(), steps = 0, shownChanges = 0, last = v.shown;
    const begun = before, most = { bytes: 0 };
    while (performance.now() - begun < arguments[0]) {
        const way = steps < v.frames.length - 1 ? 100 : -100;
        target.dispatchEvent(new WheelEvent("wheel", { deltaY: way, bubbles: true, cancelable: true }));
        steps++;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        gaps.push(now - before);
        before = now;
        if (v.shown !== last) { shownChanges++; last = v.shown; }
        most.bytes = Math.max(most.bytes, MKISO.frames.memory().bytes);
    }
    gaps.sort((a, b) => a - b);
    return { seconds: (performance.now() - begun) / 1000, shown: shownChanges, median: gaps[gaps.length >> 1], p99: gaps[Math.floor(gaps.length * 0.99)], most: most.bytes, long: longTasks.slice() };
"""

JUMPS = """
    const v = MKISO.app.active(), times = [];
    longTasks.length = 0;
    let seed = 7;
    for (let jump = 0; jump < 60; jump++) {
        seed = (seed * 16807) % 2147483647;
        const index = seed % v.frames.length, begun = performance.now();
        v.go(index);
        while (v.shown !== index) await new Promise(r => setTimeout(r, 1));
        times.push(performance.now() - begun);
        await new Promise(r => setTimeout(r, 100));
    }
    times.sort((a, b) => a - b);
    return { median: times[30], p90: times[54], most: times[59], bytes: MKISO.frames.memory().bytes, long: longTasks.slice() };
"""

WINDOW = """
    const v = MKISO.app.active(), times = [];
    for (let n = 0; n < 60; n++) {
        v.setChoice({ center: n, width: 300 + n, kind: "LINEAR" });
        const begun = performance.now();
        v.drawNow();
        times.push(performance.now() - begun);
        await new Promise(requestAnimationFrame);
    }
    times.sort((a, b) => a - b);
    return times[30];
"""

WHOLE = """
    const v = MKISO.app.active(), begun = performance.now();
    longTasks.length = 0;
    await MKISO.mpr.toggle(v, MKISO.app);
    while (!MKISO.mpr.viewports().every(each => each.frame())) await new Promise(r => setTimeout(r, 5));
    const built = performance.now() - begun, coronal = MKISO.mpr.viewports()[1], times = [];
    for (let n = 100; n < 140; n++) {
        const from = performance.now();
        coronal.go(n);
        coronal.drawNow();
        times.push(performance.now() - from);
        await new Promise(requestAnimationFrame);
    }
    times.sort((a, b) => a - b);
    const found = { built, cut: times[20], bytes: MKISO.mpr.volume().values.byteLength, long: longTasks.slice() };
    await MKISO.mpr.toggle(v, MKISO.app);
    return found;
"""


def write_disc(count: int, folder: Path) -> Path:
    """Write a CT of `count` slices of 512 x 512, `DIFFERENT` of them different."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume, _ = ct_volume(DIFFERENT)
    coded = [files.coded_frame(pixels) for pixels in volume]
    disc = files.Disc()
    instances = []
    for number in range(count):
        parts, attributes = coded[number % DIFFERENT]
        instances.append(
            {"number": number + 1, "image_position_patient": [-180, -180, -float(number)], "frames": [{"parts": list(parts), **attributes}]}
        )  # fmt: skip
    disc.add_series(instances, common=CT, description=f"{count} slices", chunk_characters=2_000_000)
    return disc.write(folder)


def opened(driver: Driver, folder: Path, page: Path, **more) -> tuple[Browser, float]:
    """Open the page in a browser of its own; give the milliseconds until the first image."""
    browser = Browser(driver, folder, **more)
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    browser.open(page.as_uri())
    browser.wait_for("document.documentElement.dataset.viewer === 'ready'", seconds=30)
    return browser, browser.run("return performance.getEntriesByName('first image')[0].startTime")


def worst_tasks(browser: Browser) -> list[float]:
    """Give the longest tasks of the page's main thread in milliseconds of its own processor time.

    The observer of long tasks counts time on the wall, which other programs may take.
    """
    browser.open("about:blank")
    events = [
        message["params"]
        for entry in browser.log("performance")
        if (message := json.loads(entry["message"])["message"])["method"] == "Tracing.dataCollected"
    ]
    drawing = {(e["pid"], e["tid"]) for e in events if e.get("name") == "FireAnimationFrame"}
    times = {
        (e["ts"], e["tid"]): e.get("tdur", 0) / 1000
        for e in events
        if str(e.get("name")).endswith("RunTask") and (e["pid"], e["tid"]) in drawing
    }
    return [round(each, 1) for each in sorted(times.values(), reverse=True)[:5]]


def traced(count: int, folder: Path, page: Path, driver: Driver) -> dict:
    """What the page's main thread takes for starting, scrolling and building a volume."""
    found = {}
    works = {"start": None, "scroll": (SCROLL, 8000), "volume": (WHOLE,) if count < 1000 else None}
    for name, work in works.items():
        if name != "start" and work is None:
            continue
        browser, _ = opened(
            driver, folder / f"traced-{name}", page, trace="devtools.timeline,toplevel"
        )
        if work:
            browser.eval(*work)
        found[name] = worst_tasks(browser)
        browser.close()
    return found


def measure(count: int, folder: Path, driver: Driver) -> dict:
    """Measure one disc."""
    page = write_disc(count, folder / "disc")
    first = []
    for number in range(5):
        browser, milliseconds = opened(driver, folder / f"profile{number}", page)
        first.append(milliseconds)
        if number < 4:
            browser.close()
    found = {
        "slices": count,
        "megabytes of chunks": sum(p.stat().st_size for p in page.parent.rglob("C*.JS")) >> 20,
        "first image ms": [round(ms) for ms in (min(first), statistics.median(first), max(first))],
        "long tasks of the start": browser.run("return longTasks"),
        "scroll": browser.eval(SCROLL, 12000),
        "jumps": browser.eval(JUMPS),
        "window": browser.eval(WINDOW),
    }
    if count < 1000:
        found["volume"] = browser.eval(WHOLE)
    found["memory"] = browser.run("return MKISO.frames.memory()")
    browser.close()
    found["worst tasks, ms of processor"] = traced(count, folder, page, driver)
    found["load of the machine"] = os.getloadavg()
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mkiso-viewer-") as name:
        work = Path(name)
        driver = Driver(work)
        try:
            for text in sys.argv[1:] or ["300", "3000"]:
                (work / text).mkdir()
                print(json.dumps(measure(int(text), work / text, driver), indent=1))
        finally:
            driver.close()
