/* The keyboard: everything that the mouse can do. Letters do nothing while a field or menu has them. */
MKISO.keys = (function () {
  "use strict";
  let TOOL_KEYS = { w: "window", s: "scroll", z: "zoom", p: "pan", d: "distance", a: "angle", e: "ellipse", v: "probe", n: "cross" };
  let PRESS_KEYS = { i: "invert", t: "rotate", x: "flip", f: "fit", r: "reset", " ": "cine", c: "compare", l: "link", m: "mpr", o: "text", Delete: "erase", Backspace: "erase" };

  function attach(app) {
    document.addEventListener("keydown", event => { if (app.isOn() && !isTyping(event) && handle(event, app)) event.preventDefault(); });
  }

  function isTyping(event) {
    let target = event.target, name = target && target.tagName;
    if (event.key === "Escape") return false;
    if (name === "INPUT" || name === "SELECT" || name === "TEXTAREA" || name === "VIDEO" || name === "IFRAME") return true;
    /* Space and Enter press the button that has the focus */
    return (name === "BUTTON" || name === "A" || name === "SUMMARY") && (event.key === " " || event.key === "Enter");
  }

  function handle(event, app) {
    let viewport = app.active(), key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (app.dialogIsOpen()) return key === "Escape" ? (app.closeDialog(), true) : false;
    if (event.ctrlKey || event.metaKey) return withControl(key, app, viewport);
    if (event.altKey) return false;
    if (isPlacing(app, viewport) && placing(event, key, app, viewport)) return true;
    if (event.shiftKey && /^Arrow/.test(key)) return windowKey(key, app, viewport);
    return plain(key, event, app, viewport);
  }

  function withControl(key, app, viewport) {
    let moves = { ArrowLeft: [-20, 0], ArrowRight: [20, 0], ArrowUp: [0, -20], ArrowDown: [0, 20] };
    if (moves[key]) { app.moved(viewport, moves[key][0], moves[key][1]); return true; }
    if (key === "p") { app.press("print"); return true; }
    return false;
  }

  function windowKey(key, app, viewport) {
    let voi = viewport.voi();
    if (!voi) return false;
    if (voi.table) voi = MKISO.lut.windowOfTable(voi.table);
    let step = voi.width > 20 ? Math.max(1, Math.round(voi.width / 20)) : voi.width / 20;
    let center = voi.center + (key === "ArrowUp" ? -step : key === "ArrowDown" ? step : 0);
    let width = voi.width + (key === "ArrowRight" ? step : key === "ArrowLeft" ? -step : 0);
    if (width >= (voi.width > 20 ? 1 : 1e-9)) app.windowed(viewport, { center: center, width: width, kind: voi.kind });
    return true;
  }

  function plain(key, event, app, viewport) {
    let last = viewport.frames.length - 1;
    let steps = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 };
    if (steps[key]) { if (last > 0) app.scrolled(viewport, steps[key]); return last > 0; }
    if (key === "Home" || key === "End") { app.went(viewport, key === "Home" ? 0 : last); return true; }
    if (key === "PageDown" || key === "PageUp") { app.neighbour(key === "PageDown" ? 1 : -1); return true; }
    if (key === "+" || key === "=") { app.zoomed(viewport, 1.2); return true; }
    if (key === "-" || key === "_") { app.zoomed(viewport, 1 / 1.2); return true; }
    if (key === "0") { viewport.actualSize(); return true; }
    if (/^[1-9]$/.test(key)) { app.preset(+key); return true; }
    if (key === "?" || key === "h" || key === "F1") { app.press("help"); return true; }
    if (key === "g") { app.press("full"); return true; }
    if (key === "b") { app.press("list"); return true; }
    if (key === "k") { app.press("nextkey"); return true; }
    if (key === "Escape") { app.escape(); return true; }
    if (TOOL_KEYS[key]) { app.press(TOOL_KEYS[key]); return true; }
    if (PRESS_KEYS[key]) { app.press(PRESS_KEYS[key]); return true; }
    return false;
  }

  /* Measuring without a mouse: Enter brings a cross hair, arrows move it (with Shift by ten pixels),
     Enter sets a point, Escape ends. */
  function isPlacing(app, viewport) { return MKISO.tools.DRAWING[app.tool()] && viewport.frame(); }

  function placing(event, key, app, viewport) {
    let frame = viewport.frame(), size = event.shiftKey ? 10 : 1;
    let moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (key === "Enter") { enter(app, viewport, frame); return true; }
    if (!viewport.cursor) return false;
    if (key === "Escape") { viewport.cursor = viewport.draft = null; viewport.draw(); return true; }
    if (!moves[key]) return false;
    viewport.cursor = [
      Math.max(0, Math.min(frame.columns - 1, viewport.cursor[0] + moves[key][0] * size)),
      Math.max(0, Math.min(frame.rows - 1, viewport.cursor[1] + moves[key][1] * size))
    ];
    if (viewport.draft) viewport.draft.points[viewport.draft.points.length - 1] = viewport.cursor.slice();
    app.say(MKISO.tools.readoutOf(viewport, frame, viewport.picture(), viewport.cursor));
    viewport.draw();
    return true;
  }

  function enter(app, viewport, frame) {
    let needed = MKISO.tools.DRAWING[app.tool()], draft = viewport.draft;
    if (!viewport.cursor) {
      viewport.cursor = [Math.floor(frame.columns / 2), Math.floor(frame.rows / 2)];
      viewport.draw();
      return;
    }
    if (!draft && needed > 1) {
      viewport.draft = { kind: app.tool(), frame: frame, points: [viewport.cursor.slice(), viewport.cursor.slice()] };
    } else if (draft && draft.points.length < needed) {
      draft.points.push(viewport.cursor.slice());
    } else {
      let points = draft ? draft.points : [viewport.cursor.slice()];
      viewport.draft = null;
      let made = MKISO.annotations.add(frame, app.tool(), points);
      app.say(MKISO.annotations.linesOf(made, viewport.picture()).join(", "));
    }
    viewport.draw();
  }

  return { attach: attach };
})();
