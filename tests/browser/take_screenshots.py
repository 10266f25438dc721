"""Makes the pictures of docs/screenshots from generated images; run by hand when the look changed.

python tests/browser/take_screenshots.py [folder]
"""

# ruff: noqa: E501, T201 - calls of the page's functions stand on one line; says what it made

import io
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT)]

from browser import sample_disc  # noqa: E402 - run by hand: first where the tests are
from browser.looking import screen, show  # noqa: E402
from browser.webdriver import Browser, Driver  # noqa: E402

SETTLED = """
    const settled = () => MKISO.app.stage.shown().every(v => !v.hasImages() || (v.shown === v.wanted && (v.paintedKey || (v.picture() && v.picture().bitmap) || !v.picture())));
    while (!settled()) await new Promise(requestAnimationFrame);
    await Promise.all(MKISO.app.stage.shown().map(v => v.frame() && v.frame().overlays ? new Promise(r => setTimeout(r, 50)) : null));
    for (let n = 0; n < 3; n++) await new Promise(requestAnimationFrame);
"""


def opened(browser, page):
    browser.open("about:blank")
    browser.open(page.as_uri())
    browser.wait_for("document.documentElement.dataset.viewer === 'ready'")


def go(browser, index, entry=None):
    if entry is not None:
        show(browser, entry)
    browser.run("MKISO.app.went(MKISO.app.active(), arguments[0])", index)
    browser.wait_for("MKISO.app.active().shown === given[0]", index)


def ct(browser):
    go(browser, 9)


def two(browser):
    go(browser, 9)
    browser.keys("c")
    browser.wait_for("MKISO.app.stage.ordinary()[1].frame()")
    browser.run("MKISO.app.stage.ordinary()[1].go(4)")
    browser.wait_for("MKISO.app.stage.ordinary()[1].shown === 4")


def mpr(browser):
    browser.keys("m")
    browser.wait_for("MKISO.mpr.volume() && MKISO.mpr.viewports().every(v => v.frame())")
    browser.run("MKISO.app.crossed(MKISO.mpr.viewports()[0], [300, 270])")
    browser.wait_for("MKISO.mpr.viewports()[2].shown === 300")


def measurement(browser):
    go(browser, 9)
    browser.run("MKISO.app.press('distance')")
    browser.drag(screen(browser, 126, 290), screen(browser, 398, 290))
    browser.run("MKISO.app.press('ellipse')")
    browser.drag(screen(browser, 282, 212), screen(browser, 322, 246))
    browser.run("MKISO.app.press('angle')")
    browser.drag(screen(browser, 316, 340), screen(browser, 256, 384))
    browser.move(*screen(browser, 196, 340))
    browser.drag(screen(browser, 196, 340))
    browser.run("MKISO.app.press('window'); MKISO.annotations.select(null)")
    browser.move(*screen(browser, 205, 240))


def presentation(browser):
    go(browser, 5)
    browser.wait_for("MKISO.app.active().presentation")


STATES = {
    "ct": ct,
    "two-series": two,
    "three-planes": mpr,
    "measurements": measurement,
    "presentation-state": presentation,
    "key-images": lambda browser: show(browser, 6),
    "ultrasound": lambda browser: go(browser, 7, 2),
    "radiograph": lambda browser: show(browser, 3),
    "report": lambda browser: show(browser, 4),
    "ecg": lambda browser: (show(browser, 7), browser.wait_for("document.querySelector('.curves[data-ready]')")),
    "cannot-be-shown": lambda browser: show(browser, 9),
    "help": lambda browser: browser.keys("h"),
}  # fmt: skip
ON_A_SMALL_DISC = {"preview": lambda browser: show(browser, 10)}
ON_A_PHONE = {
    "phone-ct": ct,
    "phone-list": lambda browser: browser.run("MKISO.app.press('list')"),
    "phone-two-series": lambda browser: (go(browser, 9), browser.run("MKISO.app.press('compare')"), browser.wait_for("MKISO.app.stage.ordinary()[1].frame()")),
    "phone-report": lambda browser: show(browser, 4),
    "phone-help": lambda browser: browser.run("MKISO.app.press('help')"),
}  # fmt: skip


def reduced(image):
    """At most 128 colours: those of the page as they are, and some greys and colours of the images."""
    pixels = np.asarray(image)
    found, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    frequent = found[np.argsort(-counts)[:24]].reshape(-1).tolist()
    greys = np.linspace(0, 255, 48).round().astype(int).repeat(3).tolist()
    coloured = pixels[np.ptp(pixels.astype(int), axis=-1) > 20]
    strip = Image.fromarray(coloured[None] if len(coloured) else np.zeros((1, 1, 3), np.uint8))
    colours = strip.quantize(56, Image.Quantize.MEDIANCUT).getpalette()[: 56 * 3]
    palette = Image.new("P", (1, 1))
    palette.putpalette(frequent + greys + colours)
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def take(browser, page, states, target, scale=1.0):
    for name, arrive in states.items():
        opened(browser, page)
        arrive(browser)
        browser.eval(SETTLED)
        browser.screenshot(target / f"{name}.png")
        image = Image.open(io.BytesIO((target / f"{name}.png").read_bytes())).convert("RGB")
        if scale != 1:
            image = image.resize([round(side * scale) for side in image.size], Image.LANCZOS)
        reduced(image).save(target / f"{name}.png", optimize=True)
        print(name, (target / f"{name}.png").stat().st_size)


def disc(folder: Path, **more) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sample_disc.make(folder, name={"alphabetic": "Phantom, Paula"}, **more)


def main(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mkiso-viewer-") as name:
        work = Path(name)
        page, small = disc(work / "disc"), disc(work / "small", preview=True)
        driver = Driver(work)
        try:
            browser = Browser(driver, work / "large")
            take(browser, page, STATES, target)
            take(browser, small, ON_A_SMALL_DISC, target)
            browser.close()
            browser = Browser(driver, work / "phone", 390, 844, touch=True)
            take(browser, page, ON_A_PHONE, target, 0.75)
            browser.close()
        finally:
            driver.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "docs" / "screenshots")
