/* Distances, angles, ellipses and points that a person draws: kept with the frame, for as long as the
   page is open, and nowhere else. */
MKISO.annotations = (function () {
  "use strict";
  let measure = MKISO.measure, words = MKISO.words, view = MKISO.view;
  let byFrame = new Map(), selected = null, listeners = [];
  /* Points that a kind needs. */
  let POINTS = { distance: 2, angle: 3, ellipse: 2, probe: 1 };
  let COLOUR = "#f4d35e", CHOSEN = "#7fd1ff", NEAR = 10;

  function of(frame) { return byFrame.get(frame.key) || []; }

  function add(frame, kind, points) {
    let made = { kind: kind, points: points, frame: frame };
    byFrame.set(frame.key, of(frame).concat([made]));
    select(made);
    return made;
  }

  function remove(annotation) {
    byFrame.set(annotation.frame.key, of(annotation.frame).filter(each => each !== annotation));
    if (selected === annotation) selected = null;
    tell();
  }

  function clear(frame) {
    byFrame.delete(frame.key);
    selected = null;
    tell();
  }

  function select(annotation) {
    selected = annotation;
    tell();
  }

  function tell() { listeners.forEach(listener => { listener(); }); }

  function rounded(value) {
    let size = Math.abs(value);
    if (value === Math.round(value)) return words.number(value, 0);
    return words.number(value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 1 : 2);
  }

  /* How far a length may be trusted; "" where it is the patient's own millimetres. */
  function trust(source) {
    return source === "patient" || source === "region" || source === "none" ? "" : words.text("measure." + source);
  }

  /* The lines beside the drawing; reckoned once for a place, because a drawing of a whole image has
     millions of pixels and is redrawn with each move. */
  function linesOf(annotation, picture) {
    let place = JSON.stringify([annotation.points, words.language(), !!picture]);
    if (annotation.reckonedFor !== place) {
      annotation.reckoned = reckon(annotation, picture);
      annotation.reckonedFor = place;
    }
    return annotation.reckoned;
  }

  function reckon(annotation, picture) {
    let frame = annotation.frame, p = annotation.points, result;
    let unit = MKISO.display.unitOf(frame);
    function valueAt(x, y) { return MKISO.display.valueAt(frame, picture, x, y); }
    if (annotation.kind === "distance") {
      result = measure.distance(frame, p[0], p[1]);
      if (result.parts) return result.parts.map(part => rounded(part[0]) + " " + part[1]);
      return [rounded(result.value) + " " + result.unit].concat(trust(result.source) || []);
    }
    if (annotation.kind === "angle") return [words.number(measure.angle(frame, p[0], p[1], p[2]), 1) + "°"];
    if (annotation.kind === "probe") return [pointText(frame, picture, p[0], unit)];
    if (!picture || !picture.planes || picture.planes.length !== 1) {
      result = measure.ellipse(frame, p[0], p[1], () => 0);
      return [areaText(result)];
    }
    result = measure.ellipse(frame, p[0], p[1], valueAt);
    if (!result.count) return [areaText(result)];
    return [
      words.text("measure.mean", { value: rounded(result.mean), unit: unit, deviation: rounded(result.deviation) }),
      words.text("measure.range", { least: rounded(result.least), most: rounded(result.most) }),
      areaText(result)
    ];
  }

  function areaText(result) {
    if (result.area === undefined) return "";
    let text = rounded(result.area) + " " + result.areaUnit, note = trust(result.source);
    return note ? text + ", " + note : text;
  }

  function pointText(frame, picture, point, unit) {
    let x = Math.round(point[0]), y = Math.round(point[1]);
    let value = MKISO.display.valueAt(frame, picture, x, y);
    let colour = MKISO.display.colourAt(frame, picture, x, y);
    if (colour) return "RGB " + colour.join(" ");
    return value === null ? "x " + x + "  y " + y : rounded(value) + (unit ? " " + unit : "");
  }

  /* --- drawing: points of the screen --- */

  function draw(context, annotation, matrix, picture) {
    let points = annotation.points.map(point => view.toScreen(matrix, point[0], point[1]));
    let chosen = annotation === selected;
    context.save();
    context.lineWidth = 1.5;
    context.strokeStyle = context.fillStyle = chosen ? CHOSEN : COLOUR;
    context.shadowColor = "#000";
    context.shadowBlur = 2;
    context.beginPath();
    if (annotation.kind === "ellipse") traceEllipse(context, annotation.points, matrix);
    else if (annotation.kind === "probe") traceCross(context, points[0]);
    else points.forEach((point, index) => { context[index ? "lineTo" : "moveTo"](point[0], point[1]); });
    context.stroke();
    if (annotation.kind !== "probe") points.forEach(point => { handle(context, point, chosen); });
    if (points.length === POINTS[annotation.kind]) {
      label(context, linesOf(annotation, picture), labelPlace(annotation, points));
    }
    context.restore();
  }

  function traceEllipse(context, points, matrix) {
    if (points.length < 2) return;
    let centre = [(points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2];
    let rx = (points[1][0] - points[0][0]) / 2, ry = (points[1][1] - points[0][1]) / 2, step, at;
    for (step = 0; step <= 60; step++) {
      at = view.toScreen(matrix, centre[0] + rx * Math.cos(step * Math.PI / 30), centre[1] + ry * Math.sin(step * Math.PI / 30));
      context[step ? "lineTo" : "moveTo"](at[0], at[1]);
    }
  }

  function traceCross(context, point) {
    context.moveTo(point[0] - 6, point[1]);
    context.lineTo(point[0] + 6, point[1]);
    context.moveTo(point[0], point[1] - 6);
    context.lineTo(point[0], point[1] + 6);
  }

  function handle(context, point, chosen) {
    context.beginPath();
    context.arc(point[0], point[1], chosen ? 4 : 2.5, 0, 2 * Math.PI);
    context.fill();
  }

  function labelPlace(annotation, points) {
    let right = Math.max.apply(null, points.map(point => point[0]));
    if (annotation.kind === "angle") return [points[1][0] + 10, points[1][1] - 6];
    if (annotation.kind === "ellipse") return [right + 8, (points[0][1] + points[1][1]) / 2];
    let last = points.find(point => point[0] === right);
    return [last[0] + 8, last[1] + 4];
  }

  function label(context, lines, place) {
    context.font = "13px system-ui, sans-serif";
    let width = Math.max.apply(null, lines.map(line => context.measureText(line).width));
    let scale = context.getTransform ? context.getTransform().a || 1 : 1;
    let right = context.canvas.width / scale;
    let x = Math.max(4, Math.min(place[0], right - width - 6));
    lines.forEach((line, index) => {
      context.fillStyle = "#000a";
      context.fillRect(x - 3, place[1] - 12 + index * 16, context.measureText(line).width + 6, 16);
      context.fillStyle = "#fff";
      context.fillText(line, x, place[1] + index * 16);
    });
  }

  /* What lies under a point of the screen: {annotation, point: index or -1 for the whole}. */
  function hit(frame, matrix, at) {
    let found = null;
    of(frame).forEach(annotation => {
      let points = annotation.points.map(point => view.toScreen(matrix, point[0], point[1]));
      points.forEach((point, index) => {
        if (Math.hypot(point[0] - at[0], point[1] - at[1]) < NEAR) found = { annotation: annotation, point: index };
      });
      if (!found && isOnLine(annotation, points, at)) found = { annotation: annotation, point: -1 };
    });
    return found;
  }

  function isOnLine(annotation, points, at) {
    if (annotation.kind === "ellipse") {
      let rx = Math.abs(points[1][0] - points[0][0]) / 2 || 1, ry = Math.abs(points[1][1] - points[0][1]) / 2 || 1;
      let away = Math.hypot((at[0] - (points[0][0] + points[1][0]) / 2) / rx, (at[1] - (points[0][1] + points[1][1]) / 2) / ry);
      return Math.abs(away - 1) * Math.min(rx, ry) < NEAR;
    }
    return points.some((point, index) => index > 0 && awayFrom(points[index - 1], point, at) < NEAR / 2);
  }

  function awayFrom(a, b, at) {
    let dx = b[0] - a[0], dy = b[1] - a[1], size = dx * dx + dy * dy;
    let share = size ? Math.max(0, Math.min(1, ((at[0] - a[0]) * dx + (at[1] - a[1]) * dy) / size)) : 0;
    return Math.hypot(at[0] - a[0] - share * dx, at[1] - a[1] - share * dy);
  }

  return {
    POINTS: POINTS, of: of, add: add, remove: remove, clear: clear, select: select, hit: hit, draw: draw,
    linesOf: linesOf, pointText: pointText, tell: tell,
    selected: () => selected, onChange: listener => { listeners.push(listener); }
  };
})();
