"""What the tests of the page ask again and again: where a pixel is, and what stands there."""

# ruff: noqa: E501 - calls of the page's functions stand on one line

STATE = """
    const v = MKISO.app.active(), voi = v.voi();
    return { shown: v.shown, view: { ...v.view }, inverted: v.inverted, tool: MKISO.app.tool(),
             center: voi && voi.center, width: voi && voi.width, entry: v.entry.id, frames: v.frames.length,
             layout: MKISO.app.state().layout, mpr: MKISO.app.state().mpr };
"""


def show(browser, number):
    browser.eval("await MKISO.app.open(MKISO.disc.entries()[arguments[0]])", number)
    browser.wait_for(
        "MKISO.app.active().frame() || !MKISO.app.active().panel.hidden || !MKISO.app.active().message.hidden"
    )


def screen(browser, x, y):
    """Where a pixel of the image is in the window of the browser."""
    return browser.run(
        """
        const v = MKISO.app.active(), p = MKISO.view.toScreen(v.matrix(), arguments[0], arguments[1]);
        const box = v.element.getBoundingClientRect();
        return [p[0] + box.left, p[1] + box.top];
        """,
        x, y,
    )  # fmt: skip


def pixel_of(browser, x, y):
    """What the canvas shows there."""
    return browser.run(
        """
        const v = MKISO.app.active(), p = MKISO.view.toScreen(v.matrix(), arguments[0], arguments[1]);
        v.drawNow();
        return Array.from(v.imageCanvas.getContext("2d").getImageData(Math.floor(p[0]), Math.floor(p[1]), 1, 1).data);
        """,
        x, y,
    )  # fmt: skip
