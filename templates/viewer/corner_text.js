/* The texts upon an image: who, what, which slice, which window, how it was made, and where left is. */
MKISO.cornerText = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, display = MKISO.display, geometry = MKISO.geometry;

  function nameOf(patient) {
    let name = patient.name || {};
    return [name.alphabetic, name.ideographic, name.phonetic].filter(Boolean).join(" · ") || words.text(patient.several ? "patient.several" : "patient.unnamed");
  }

  function sexOf(patient) {
    let code = patient.sex || "";
    return words.has("sex." + code) ? words.text("sex." + code) : code;
  }

  function who(entry) {
    let patient = MKISO.disc.patientOf(entry.study);
    return [nameOf(patient), patient.patient_id,
      [patient.birth_date && words.text("patient.born", { date: patient.birth_date }), sexOf(patient)].filter(Boolean).join(" · ")];
  }

  function seriesTitle(entry) {
    let series = entry.series;
    let title = entry.stack.title || series.description || series.body_part || "";
    return [series.number ? "#" + series.number : "", series.modality, title].filter(Boolean).join(" ");
  }

  function what(entry, frame) {
    let study = entry.study;
    return [seriesTitle(entry), sideOf(frame), [study.date, study.time].filter(Boolean).join(" "), study.description, frame.institution_name];
  }

  function sideOf(frame) {
    let side = frame.frame_laterality || frame.image_laterality || frame.laterality;
    if (side === "U") side = ""; /* unpaired */
    return [words.has("side." + side) ? words.text("side." + side) : side, frame.view_position || frame.view_name]
      .filter(Boolean).join(" · ");
  }

  function millimetres(value) { return words.number(value, 1) + " mm"; }

  /* Along the patient's axis that the plane cuts most squarely. */
  function placeOf(viewport, frame) {
    let plane = viewport.planes[viewport.shown], location = frame.slice_location;
    if (plane) {
      let axis = [0, 1, 2].reduce((best, each) => Math.abs(plane.normal[each]) > Math.abs(plane.normal[best]) ? each : best, 0);
      let value = geometry.centreOf(plane)[axis], letters = [["L", "R"], ["P", "A"], ["H", "F"]][axis];
      return words.text("slice.at", { place: letters[value < 0 ? 1 : 0] + " " + millimetres(Math.abs(value)) });
    }
    return typeof location === "number" ? words.text("slice.at", { place: millimetres(location) }) : "";
  }

  function which(viewport, frame) {
    let count = viewport.frames.length, voi = viewport.voi(), lines = [];
    lines.push(words.text("image.number", { n: viewport.shown + 1, count: count }) +
      (count > 1 && frame.number !== undefined && (viewport.entry.references || viewport.entry.stack.instances > 1) ? "  (" + words.text("image.instance", { number: frame.number }) + ")" : ""));
    lines.push([placeOf(viewport, frame), frame.slice_thickness >= 0.05 ? words.text("slice.thickness", { size: millimetres(frame.slice_thickness) }) : ""].filter(Boolean).join(" · "));
    if (voi) lines.push(voiText(viewport, voi));
    lines.push(words.text("zoom.is", { percent: words.number(100 * viewport.view.scale * (window.devicePixelRatio || 1), 0) }));
    return lines;
  }

  function voiText(viewport, voi) {
    let text = voi.table ? words.text("window.table", { name: voi.table.explanation || "LUT" })
      : words.text("window.is", { center: short(voi.center), width: short(voi.width) });
    let extra = voi.explanation && !voi.table ? " " + voi.explanation : "";
    let kind = voi.kind && voi.kind === "SIGMOID" ? " SIGMOID" : "";
    return text + extra + kind + (viewport.inverted ? " · " + words.text("inverted") : "");
  }

  function short(value) {
    return words.number(value, Math.abs(value) >= 100 || value === Math.round(value) ? 0 : Math.abs(value) >= 1 ? 1 : 4);
  }

  /* Technique, with the units of PS3.6. */
  let TECHNIQUE = [
    ["kvp", "{} kV"], ["xray_tube_current", "{} mA"], ["exposure_time", "{} ms"], ["exposure", "{} mAs"],
    ["repetition_time", "TR {} ms"], ["echo_time", "TE {} ms"], ["inversion_time", "TI {} ms"],
    ["flip_angle", "FA {}°"], ["magnetic_field_strength", "{} T"], ["mechanical_index", "MI {}"],
    ["radiopharmaceutical", "{}"], ["contrast_bolus_agent", "{}"], ["convolution_kernel", "{}"], ["sequence_name", "{}"]
  ];

  function how(frame) {
    let lines = [], row = [];
    TECHNIQUE.forEach(each => {
      let value = frame[each[0]];
      if (value === undefined || value === "" || value === 0) return;
      let text = each[1].replace("{}", typeof value === "number" ? String(+value.toPrecision(4)) : [].concat(value).join(" "));
      row.push(text);
      if (row.length === 3) { lines.push(row.join("  ")); row = []; }
    });
    lines.push(row.join("  "));
    lines.push([frame.manufacturer, frame.manufacturer_model_name].filter(Boolean).join(" "));
    if (frame.trigger_time > 0) lines.push(words.text("time.trigger", { time: words.number(frame.trigger_time, 0) }));
    lines.push([dateText(frame.acquisition_date || frame.content_date), timeText(frame.acquisition_time || frame.content_time)].filter(Boolean).join(" "));
    return lines;
  }

  /* PS3.5 6.2, DA and TM, as far as they are ones. */
  function dateText(value) { return value ? String(value).replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3") : ""; }
  function timeText(value) { return value ? String(value).replace(/^(\d\d)(\d\d)(\d\d)?(\.\d+)?$/, (all, h, m, s) => h + ":" + m + (s ? ":" + s : "")) : ""; }

  /* Things that must not be overlooked. */
  function badges(viewport, frame) {
    let list = [];
    if (frame.coding === "preview") list.push(["warn", words.text("badge.preview")]);
    if (frame.lossy_image_compression === "01") {
      let ratio = [].concat(frame.lossy_image_compression_ratio || [])[0];
      list.push(["warn", ratio ? words.text("badge.lossyratio", { ratio: words.number(+ratio, 0) }) : words.text("badge.lossy")]);
    }
    if (frame.quality_control_image === "YES" || frame.quality_control_image === "BOTH") list.push(["warn", words.text("badge.quality")]);
    MKISO.disc.keysOf(frame).slice(0, 3).forEach(object => {
      list.push(["key", [words.text("badge.key"), object.title].concat(object.texts || []).filter(Boolean).join(": ")]);
    });
    if (viewport.presentation) {
      let left = viewport.presentation.content.not_shown || [];
      list.push(["note", words.text("badge.presentation", { label: viewport.presentation.label || "1" })]);
      if (left.length) list.push(["warn", words.text("badge.notshown", { what: left.join(", ") })]);
    }
    let segment = display.segmentOf(frame);
    if (segment) list.push(["note", words.text("badge.segment", { label: segment.label || segment.number })]);
    if (frame.derived) list.push(["warn", words.text(frame.derived)]);
    if (frame.temporal_position_identifier !== undefined) list.push(["note", words.text("badge.phase", { n: frame.temporal_position_identifier })]);
    return list;
  }

  /* The same lines for the screen and for a saved picture. */
  function linesOf(viewport) {
    let frame = viewport.frame(), entry = viewport.entry;
    return {
      tl: who(entry), tr: what(entry, frame), bl: which(viewport, frame), br: how(frame),
      badges: badges(viewport, frame), edges: geometry.edgeLetters(frame, viewport.view)
    };
  }

  function show(viewport) {
    let frame = viewport.frame(), on = frame && viewport.host.showsText();
    viewport.element.classList.toggle("has-image", !!frame);
    let lines = on ? linesOf(viewport) : { tl: [], tr: [], bl: [], br: [], badges: [] };
    if (frame && !on) {
      /* never without the reading of left and right, nor without warnings */
      lines.badges = badges(viewport, frame);
      lines.edges = geometry.edgeLetters(frame, viewport.view);
    }
    ["tl", "tr", "bl", "br"].forEach((corner, index) => {
      fill(viewport.corners[index], lines[corner], corner === "tl" ? lines.badges : []);
    });
    ["left", "right", "top", "bottom"].forEach(side => {
      let letters = (lines.edges && lines.edges[side]) || "";
      if (viewport.edges[side].textContent !== letters) viewport.edges[side].textContent = letters;
    });
  }

  function fill(element, lines, marks) {
    let wanted = JSON.stringify([lines, marks]);
    if (element.shownText === wanted) return;
    element.shownText = wanted;
    let items = lines.filter(Boolean).map(line => ["line", line]).concat(marks.map(mark => ["badge " + mark[0], mark[1]]));
    while (element.children.length > items.length) element.lastChild.remove();
    while (element.children.length < items.length) element.append(dom.make("div", {}, dom.isolated("")));
    items.forEach((item, index) => {
      let child = element.children[index], text = child.firstChild;
      if (child.className !== item[0]) child.className = item[0];
      if (text.textContent !== item[1]) text.textContent = item[1];
    });
  }

  return {
    show: show, linesOf: linesOf, nameOf: nameOf, sexOf: sexOf, seriesTitle: seriesTitle, short: short
  };
})();
