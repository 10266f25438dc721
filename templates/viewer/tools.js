/* What mouse, pen and fingers do upon an image. Left button or one finger: the chosen tool; middle
   button: move; right button: zoom; wheel: scroll; two fingers: move and zoom. */
MKISO.tools = (function () {
  "use strict";
  let annotations = MKISO.annotations, display = MKISO.display;
  let DRAWING = annotations.POINTS, CLICK_SLACK = 4;

  function attach(viewport, app) {
    let target = viewport.graphicsCanvas, pointers = new Map(), drag = null, wheel = 0;

    function at(event) {
      let box = target.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    }

    function toolFor(event) {
      if (event.button === 1 || (event.button === 0 && event.shiftKey)) return "pan";
      if (event.button === 2 || (event.button === 0 && (event.ctrlKey || event.metaKey))) return "zoom";
      return app.tool();
    }

    function onDown(event) {
      if (!viewport.frame()) return;
      let place = at(event);
      pointers.set(event.pointerId, place);
      if (target.setPointerCapture && event.isTrusted) target.setPointerCapture(event.pointerId);
      viewport.element.focus({ preventScroll: true });
      if (pointers.size === 2) { startPinch(); return; }
      if (pointers.size > 2) return;
      if (viewport.draft && event.button === 0) { placePoint(place); return; }
      let found = event.button === 0 ? annotations.hit(viewport.frame(), viewport.matrix(), place) : null;
      if (found) { grab(found, place); return; }
      annotations.select(null);
      begin(toolFor(event), place);
    }

    function begin(tool, place) {
      drag = { tool: tool, from: place, last: place, rest: 0, moved: false };
      if (tool === "window") drag.voi = startingWindow();
      if (DRAWING[tool]) startDraft(tool, place);
      if (tool === "cross") app.crossed(viewport, viewport.toImage(place));
    }

    function startingWindow() {
      let voi = viewport.voi();
      if (!voi) return null;
      return voi.table ? MKISO.lut.windowOfTable(voi.table) : voi;
    }

    function startDraft(kind, place) {
      let point = viewport.toImage(place), frame = viewport.frame();
      if (DRAWING[kind] === 1) {
        annotations.add(frame, kind, [point]);
        drag = null;
        return;
      }
      viewport.draft = { kind: kind, frame: frame, points: [point, point.slice()] };
      viewport.draw();
    }

    /* The last point of a draft follows the pointer until it is placed. */
    function placePoint(place) {
      let draft = viewport.draft;
      draft.points[draft.points.length - 1] = viewport.toImage(place);
      if (draft.points.length < DRAWING[draft.kind]) {
        draft.points.push(draft.points[draft.points.length - 1].slice());
        viewport.draw();
      } else finishDraft();
    }

    function finishDraft() {
      let draft = viewport.draft;
      viewport.draft = null;
      drag = null;
      annotations.add(draft.frame, draft.kind, draft.points);
    }

    function grab(found, place) {
      annotations.select(found.annotation);
      drag = { tool: "grab", found: found, last: place, from: place };
    }

    function startPinch() {
      viewport.draft = null;
      let points = Array.from(pointers.values());
      drag = { tool: "pinch", points: points };
    }

    function onMove(event) {
      let place = at(event);
      if (!pointers.has(event.pointerId)) { hover(place); return; }
      pointers.set(event.pointerId, place);
      if (!drag) return;
      if (drag.tool === "pinch") { pinch(); return; }
      if (Math.hypot(place[0] - drag.from[0], place[1] - drag.from[1]) > CLICK_SLACK) drag.moved = true;
      move(place, place[0] - drag.last[0], place[1] - drag.last[1]);
      drag.last = place;
      hover(place);
    }

    function move(place, dx, dy) {
      let tool = drag.tool;
      viewport.busy = true;
      if (tool === "window") dragWindow(place);
      else if (tool === "pan") app.moved(viewport, dx, dy);
      else if (tool === "zoom") app.zoomed(viewport, Math.exp(-dy * 0.01), drag.from);
      else if (tool === "scroll") dragScroll(dy);
      else if (tool === "cross") app.crossed(viewport, viewport.toImage(place));
      else if (tool === "grab") dragPoint(place, dx, dy);
      else if (viewport.draft) {
        viewport.draft.points[viewport.draft.points.length - 1] = viewport.toImage(place);
        viewport.draw();
      }
    }

    /* To the right wider, downwards darker, as on other viewers; the step grows with the width. */
    function dragWindow(place) {
      let from = drag.voi, frame = viewport.frame();
      if (!from) return;
      let step = Math.max(from.width, 1e-9) / 250, whole = from.width > 20;
      let width = Math.max(whole ? 1 : step, from.width + (place[0] - drag.from[0]) * step);
      let center = from.center + (place[1] - drag.from[1]) * step;
      app.windowed(viewport, {
        center: whole ? Math.round(center) : center, width: whole ? Math.round(width) : width,
        kind: from.kind || display.voiOf(frame, viewport.picture(), viewport.state()).kind
      });
    }

    function dragScroll(dy) {
      let each = Math.max(3, Math.min(24, viewport.size()[1] / Math.max(1, viewport.frames.length)));
      drag.rest += dy / each;
      let steps = Math.trunc(drag.rest);
      if (!steps) return;
      drag.rest -= steps;
      app.scrolled(viewport, steps);
    }

    function dragPoint(place, dx, dy) {
      let found = drag.found, before = viewport.toImage([place[0] - dx, place[1] - dy]), now = viewport.toImage(place);
      let points = found.annotation.points;
      if (found.point >= 0) points[found.point] = now;
      else points.forEach(point => { point[0] += now[0] - before[0]; point[1] += now[1] - before[1]; });
      annotations.tell();
    }

    function pinch() {
      let old = drag.points, now = Array.from(pointers.values());
      let spread = points => Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]) || 1;
      let middle = points => [(points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2];
      let from = middle(old), to = middle(now);
      viewport.busy = true;
      app.moved(viewport, to[0] - from[0], to[1] - from[1]);
      app.zoomed(viewport, spread(now) / spread(old), to);
      drag.points = now;
    }

    function onUp(event) {
      if (!pointers.delete(event.pointerId)) return;
      if (pointers.size) { drag = null; return; }
      viewport.busy = false;
      if (drag && viewport.draft && drag.moved && DRAWING[drag.tool]) placePoint(at(event));
      drag = null;
      viewport.draw();
    }

    function hover(place) {
      viewport.pointer = place;
      if (viewport.draft && !drag) {
        viewport.draft.points[viewport.draft.points.length - 1] = viewport.toImage(place);
        viewport.draw();
      }
      viewport.showReadout();
    }

    function onWheel(event) {
      if (!viewport.frame()) return;
      event.preventDefault();
      if (event.ctrlKey) { app.zoomed(viewport, Math.exp(-event.deltaY * 0.005), at(event)); return; }
      let way = event.deltaY * (event.deltaMode === 1 ? 40 : event.deltaMode === 2 ? 400 : 1);
      /* a notch of a mouse wheel is one image; the small steps of a touch pad add up */
      let steps = Math.abs(way) >= 50 ? Math.sign(way) * Math.max(1, Math.round(Math.abs(way) / 120)) : 0;
      if (!steps) {
        wheel += way;
        steps = Math.trunc(wheel / 30);
        wheel -= steps * 30;
      }
      if (steps) app.scrolled(viewport, steps);
    }

    target.addEventListener("pointerdown", onDown);
    target.addEventListener("pointermove", onMove);
    target.addEventListener("pointerup", onUp);
    target.addEventListener("pointercancel", onUp);
    target.addEventListener("pointerleave", () => {
      viewport.pointer = null;
      viewport.showReadout();
    });
    target.addEventListener("wheel", onWheel, { passive: false });
    target.addEventListener("contextmenu", event => { event.preventDefault(); });
    target.addEventListener("dblclick", () => { if (!DRAWING[app.tool()]) app.maximize(viewport); });
    attachTrack(viewport, app);
  }

  /* The bar at the right edge: drag it to any image. */
  function attachTrack(viewport, app) {
    let track = viewport.track, held = false;
    function go(event) {
      let box = track.getBoundingClientRect(), share = (event.clientY - box.top) / box.height;
      app.went(viewport, Math.round(Math.max(0, Math.min(1, share)) * (viewport.frames.length - 1)));
    }
    track.addEventListener("pointerdown", event => {
      held = true;
      if (event.isTrusted) track.setPointerCapture(event.pointerId);
      go(event);
    });
    track.addEventListener("pointermove", event => { if (held) go(event); });
    ["pointerup", "pointercancel"].forEach(name => { track.addEventListener(name, () => { held = false; }); });
  }

  function readoutOf(viewport, frame, picture, point) {
    let x = Math.round(point[0]), y = Math.round(point[1]);
    if (x < 0 || y < 0 || x >= frame.columns || y >= frame.rows) return "";
    let text = "x " + x + "  y " + y, plane = viewport.planes[viewport.shown];
    let value = annotations.pointText(frame, picture, [x, y], display.unitOf(frame));
    if (value.indexOf("x ") !== 0) text += "  ·  " + value;
    (frame.real_world_values || []).slice(0, 1).forEach(map => { text += realWorld(map, frame, picture, x, y); });
    if (plane) text += "  ·  " + placeText(MKISO.geometry.toPatient(plane, x, y));
    return text;
  }

  /* PS3.3 C.7.6.16.2.11: real world value mapping. */
  function realWorld(map, frame, picture, x, y) {
    if (!picture.planes || picture.planes.length !== 1) return "";
    let value = realValue(map, picture.planes[0][y * frame.columns + x]);
    return value === null ? "" : "  ·  " + MKISO.words.number(value, 2) + " " + (map.unit || "");
  }

  /* A table or a slope, for stored values from `first` to `last`; null beyond. */
  function realValue(map, stored) {
    if (stored < map.first || stored > map.last) return null;
    let value = map.lut ? map.lut[stored - map.first] : stored * map.slope + map.intercept;
    return typeof value === "number" && isFinite(value) ? value : null;
  }

  function placeText(point) {
    return point.map((value, axis) => [["L", "R"], ["P", "A"], ["H", "F"]][axis][value < 0 ? 1 : 0] + " " + MKISO.words.number(Math.abs(value), 1)).join("  ");
  }

  return { attach: attach, DRAWING: DRAWING, readoutOf: readoutOf, realValue: realValue };
})();
