/* Curves: an electrocardiogram as paper has it, 25 mm a second and 10 mm a millivolt where the unit is
   one of voltage; other curves each in their own range (PS3.3 C.10.9). */
MKISO.waveform = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, panels = MKISO.panels;
  let MILLIVOLTS = { uV: 0.001, mV: 1, V: 1000, nV: 1e-6 };

  /* stored * sensitivity * correction + baseline (PS3.3 C.10.9.1.4), null for padding. */
  function valuesOf(picture, frame, row, channel) {
    let stored = picture.planes[0].subarray(row * frame.columns, (row + 1) * frame.columns);
    let factor = number(channel.sensitivity, 1) * number(channel.correction, 1), base = number(channel.baseline, 0);
    return Array.from(stored, each => each === frame.padding ? null : each * factor + base);
  }

  function number(value, otherwise) { return typeof value === "number" ? value : otherwise; }

  function show(viewport, entry, instance) {
    let content = instance.waveform || {}, groups = content.groups || [];
    panels.caption(viewport, entry);
    if (content.acquired) viewport.panel.append(dom.make("p.small", {}, content.acquired));
    viewport.panel.append(dom.make("p.small", {}, words.text("wave.paper")));
    let opening = viewport.opening;
    groups.forEach((group, number) => {
      let place = dom.make("div.curves", {}, words.text("loading"));
      viewport.panel.append(place);
      let frame = (instance.frames || [])[group.frame === undefined ? number : group.frame];
      if (!frame) { place.textContent = words.text("frame.damaged"); return; }
      MKISO.frames.get(frame).then(picture => {
        if (opening !== viewport.opening) return;
        dom.clear(place).append(drawing(group, frame, picture));
        place.setAttribute("data-ready", "");
      }, () => { place.textContent = words.text("frame.damaged"); });
    });
    notes(viewport, content);
  }

  function notes(viewport, content) {
    /* measurements; what marks single samples (onsets, peaks) says nothing without its place */
    let texts = (content.annotations || []).filter(each => each.text && !(each.samples || []).length).map(each => each.text);
    texts = texts.filter((text, place) => texts.indexOf(text) === place);
    if (!texts.length) return;
    viewport.panel.append(dom.make("ul.notes", {}, texts.map(each => dom.make("li", {}, dom.isolated(each)))));
  }

  /* A millimetre of paper is four units of the drawing; the names of the channels stand before it. */
  let MM = 4, GUTTER = 18;

  function drawing(group, frame, picture) {
    let seconds = frame.columns / (group.sampling_frequency || 1), lines = [], y = 0;
    group.channels.forEach((channel, row) => {
      let values = valuesOf(picture, frame, row, channel), scale = MILLIVOLTS[channel.unit];
      let range = rangeOf(values), perMm = scale ? 0.1 / scale : (range[1] - range[0]) / 20 || 1;
      let middle = scale ? 0 : (range[0] + range[1]) / 2;
      let above = Math.max(8, (range[1] - middle) / perMm + 2), below = Math.max(6, (middle - range[0]) / perMm + 2);
      y += Math.min(above, 60);
      lines.push({ label: channel.label || "", unit: channel.unit || "", values: values, perMm: perMm, middle: middle, y: y, named: !!scale });
      y += Math.min(below, 60);
    });
    return svgOf(group, lines, seconds, y);
  }

  function rangeOf(values) {
    let low = Infinity, high = -Infinity;
    values.forEach(value => {
      if (value === null) return;
      if (value < low) low = value;
      if (value > high) high = value;
    });
    return low <= high ? [low, high] : [0, 1];
  }

  function svgOf(group, lines, seconds, height) {
    let width = Math.max(20, Math.min(3000, seconds * 25)), whole = width + GUTTER;
    let svg = dom.svg("svg", { viewBox: [-GUTTER * MM, 0, whole * MM, height * MM].join(" "), class: "ecg", role: "img" });
    svg.style.minWidth = whole * MM * 0.7 + "px";
    svg.style.maxWidth = whole * MM * 1.4 + "px";
    svg.append(dom.svg("title", {}, [lines.map(line => line.label).join(", ")]));
    svg.append(grid(width, height, 1, "fine"), grid(width, height, 5, "bold"));
    lines.forEach(line => {
      svg.append(dom.svg("path", { d: pathOf(line, width), class: "curve" }));
      svg.append(dom.svg("text", { x: 6 - GUTTER * MM, y: line.y * MM + 4 }, [nameOf(line)]));
    });
    return svg;
  }

  /* "Lead aVR (Goldberger)" is aVR on paper. */
  function nameOf(line) { return line.label.replace(/^lead\s+/i, "").replace(/\s*\(.*\)$/, "") + (line.named || !line.unit ? "" : " [" + line.unit + "]"); }

  function grid(width, height, step, name) {
    let path = "", at;
    for (at = 0; at <= width; at += step) path += "M" + at * MM + " 0V" + height * MM;
    for (at = 0; at <= height; at += step) path += "M0 " + at * MM + "H" + width * MM;
    return dom.svg("path", { d: path, class: name });
  }

  function pathOf(line, width) {
    let path = "", pen = false, step = width * MM / line.values.length;
    line.values.forEach((value, index) => {
      if (value === null) { pen = false; return; }
      let y = (line.y - (value - line.middle) / line.perMm) * MM;
      path += (pen ? "L" : "M") + (index * step).toFixed(1) + " " + y.toFixed(1);
      pen = true;
    });
    return path;
  }

  panels.PANELS.waveform = show;
  return { valuesOf: valuesOf, show: show };
})();
