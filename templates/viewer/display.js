/* Which modality step, window and polarity hold for a frame: what the file says, what a presentation
   state says, what the person chose. Gives the chains that lut.js computes with. */
MKISO.display = (function () {
  "use strict";
  let lut = MKISO.lut;

  /* Windows that radiologists use for CT, in HU. */
  let CT_PRESETS = [
    ["soft", 50, 400], ["lung", -500, 1500], ["bone", 400, 1800], ["brain", 40, 80],
    ["mediastinum", 50, 350], ["liver", 80, 150], ["angio", 300, 700]
  ];

  /* PS3.3 C.11.1.1.2, C.8.9.1 (PET), C.8.8.3 (dose): codes that are no unit, or another word for one. */
  let UNITS = { US: "", UNSPECIFIED: "", NONE: "", CNTS: "counts", OD: "10⁻³ OD", BQML: "Bq/ml", GML: "g/ml", CM2ML: "cm²/ml", MGML: "mg/ml",
    PCT: "%", PCNT: "%", PROPCNTS: "", PROPCPS: "", Z_EFF: "Z", ED: "10²³/ml", HU_MOD: "HU", RELATIVE: "", GY: "Gy" };

  function isColour(frame) {
    return frame.samples_per_pixel === 3 || frame.coding === "jpeg" || frame.coding === "preview" ||
      frame.photometric_interpretation === "PALETTE COLOR";
  }

  /* PS3.3 C.11.1: a table wins over slope and intercept. */
  function modalityOf(frame, picture, state) {
    let given = state && state.presentation && state.presentation.modality;
    if (given) return given;
    if (picture && picture.luts && picture.luts.modality) return { table: picture.luts.modality };
    return {
      slope: typeof frame.rescale_slope === "number" ? frame.rescale_slope : 1,
      intercept: typeof frame.rescale_intercept === "number" ? frame.rescale_intercept : 0
    };
  }

  /* The unit of what modalityValue gives; US is "unspecified" (C.11.1.1.2). A CT that rescales without
     a type gives HU (C.8.2.1); a screenshot of the scanner's console is a CT too, and gives none. */
  function unitOf(frame) {
    let type = frame.units || frame.dose_units || (frame.modality_lut && frame.modality_lut.modality_lut_type) || frame.rescale_type || "";
    if (!type && frame.modality === "CT" && typeof frame.rescale_slope === "number") type = "HU";
    return UNITS[type] !== undefined ? UNITS[type] : String(type);
  }

  function kindOf(frame) { return frame.voi_lut_function || "LINEAR"; }

  function windowOf(given, kind) {
    if (!given || !isFinite(given.center) || !isFinite(given.width)) return null;
    /* C.11.2.1.2: LINEAR needs a width of at least 1, the others of more than 0 */
    if (given.width < 1 && kind === "LINEAR") kind = "LINEAR_EXACT";
    if (!(given.width > 0)) return null;
    return { center: given.center, width: given.width, kind: kind, explanation: given.explanation || "" };
  }

  function segmentOf(frame) {
    if (!frame.segments || frame.segment_number === undefined) return null;
    return frame.segments.find(each => each.number === frame.segment_number) || null;
  }

  /* Everything a person can choose for this frame, the default first. */
  function options(frame, picture, percentiles) {
    let kind = kindOf(frame), list = [];
    (frame.windows || []).forEach((given, index) => {
      let voi = windowOf(given, kind);
      if (voi) list.push({ choice: { window: index }, voi: voi, name: voi.explanation });
    });
    ((picture && picture.luts && picture.luts.voi) || []).forEach((table, index) => {
      list.push({ choice: { table: index }, voi: { table: table }, name: table.explanation || "LUT" });
    });
    /* a CT without a window is a CT all the same; air and padding would mislead the percentiles */
    if (!list.length && unitOf(frame) === "HU") list.push({ choice: { usual: true }, voi: { center: 50, width: 400, kind: "LINEAR", explanation: "" }, name: "" });
    if (!list.length || !(frame.windows || []).length) list.push({ choice: { percentiles: true }, voi: fallback(frame, picture, percentiles), name: "" });
    return list;
  }

  function fallback(frame, picture, percentiles) {
    if (segmentOf(frame)) {
      let most = frame.segmentation_type === "FRACTIONAL" ? frame.maximum_fractional_value || 255 : 1;
      return lut.percentileWindow(0, most);
    }
    if (percentiles) return lut.percentileWindow(percentiles[0], percentiles[1]);
    if (!picture || picture.low === undefined) return lut.percentileWindow(0, 255);
    let modality = modalityOf(frame, picture), ends = [picture.low, picture.high].map(each => lut.modalityValue(each, modality));
    return lut.percentileWindow(Math.min(ends[0], ends[1]), Math.max(ends[0], ends[1]));
  }

  /* The 1st and 99th percentile over the whole stack, after the modality step (5.1, "none"); where
     they are equal the extremes. */
  function percentilesOf(frames) {
    let inner = rangeOver(frames, 2, 3), outer = rangeOver(frames, 0, 1);
    return inner && inner[1] > inner[0] ? inner : outer;
  }

  function rangeOver(frames, from, to) {
    let low = Infinity, high = -Infinity;
    frames.forEach(frame => {
      if (!Array.isArray(frame.statistics)) return;
      let modality = modalityOf(frame, null);
      let ends = [frame.statistics[from], frame.statistics[to]].map(each => lut.modalityValue(each, modality));
      low = Math.min(low, ends[0], ends[1]);
      high = Math.max(high, ends[0], ends[1]);
    });
    return low <= high ? [low, high] : null;
  }

  /* state: {choice, inverted, presentation, percentiles}. */
  function voiOf(frame, picture, state) {
    let choice = state.choice, all = options(frame, picture, state.percentiles), found;
    if (choice && choice.width !== undefined) {
      return { center: choice.center, width: choice.width, kind: choice.kind || kindOf(frame), explanation: choice.name || "" };
    }
    if (choice) {
      found = all.find(each => ["window", "table", "percentiles", "usual"].every(key => each.choice[key] === choice[key]));
      if (found) return found.voi;
    }
    if (!choice && state.presentation) {
      found = presentedVoi(state.presentation, frame);
      if (found) return found;
    }
    return all[0].voi;
  }

  function presentedVoi(presentation, frame) {
    let part = presentation.voi.find(each => MKISO.disc.isMeant(each.references, frame));
    if (!part) return null;
    if (part.tables.length) return { table: part.tables[0] };
    return windowOf((part.windows || [])[0], part.kind);
  }

  /* C.7.6.3.1.2 and C.11.6.1.2: MONOCHROME1 and INVERSE mean the same thing once. A presentation
     state decides alone (PS3.4 N.2.1). */
  function isInverse(frame, presentation) {
    if (presentation && presentation.shape) return presentation.shape === "INVERSE";
    if (presentation && presentation.table) return false;
    return frame.photometric_interpretation === "MONOCHROME1" || frame.presentation_lut_shape === "INVERSE";
  }

  function chainOf(frame, picture, state) {
    let presentation = state.presentation;
    return {
      modality: modalityOf(frame, picture, state), voi: voiOf(frame, picture, state),
      presentation: {
        inverted: isInverse(frame, presentation) !== !!state.inverted,
        table: presentation ? presentation.table : null, palette: presentation ? presentation.palette : null
      }
    };
  }

  /* A presentation state with its tables at hand. */
  function prepare(content) {
    let tableOf = MKISO.frames.tableOf, modality = content.modality || {}, palette = content.palette || {};
    return Promise.all([
      tableOf(modality.modality_lut), tableOf(content.presentation_lut),
      Promise.all((content.voi || []).map(part => Promise.all((part.voi_luts || []).map(tableOf)))),
      Promise.all([tableOf(palette.red), tableOf(palette.green), tableOf(palette.blue)])
    ]).then(found => ({
      palette: found[3][0] ? { red: found[3][0], green: found[3][1], blue: found[3][2] } : null, content: content, shape: content.presentation_lut_shape, table: found[1],
      modality: found[0] ? { table: found[0] } : modality.rescale_slope !== undefined
        ? { slope: modality.rescale_slope, intercept: modality.rescale_intercept || 0 } : null,
      voi: (content.voi || []).map((part, index) => ({
        references: part.references, windows: part.windows, kind: part.voi_lut_function || "LINEAR",
        tables: found[2][index]
      }))
    }));
  }

  /* What the pixel means; null where the frame has no numbers to read. */
  function valueAt(frame, picture, x, y) {
    if (!picture || !picture.planes || picture.planes.length !== 1) return null;
    if (x < 0 || y < 0 || x >= frame.columns || y >= frame.rows) return null;
    return lut.modalityValue(picture.planes[0][y * frame.columns + x], modalityOf(frame, picture));
  }

  function colourAt(frame, picture, x, y) {
    if (!picture || !picture.planes || x < 0 || y < 0 || x >= frame.columns || y >= frame.rows) return null;
    let at = y * frame.columns + x;
    if (picture.planes.length === 3) return picture.planes.map(plane => plane[at]);
    if (frame.photometric_interpretation !== "PALETTE COLOR" || !picture.luts.palette) return null;
    return lut.paletteColour(picture.planes[0][at], picture.luts.palette);
  }

  return {
    CT_PRESETS: CT_PRESETS, isColour: isColour, modalityOf: modalityOf, unitOf: unitOf, options: options,
    percentilesOf: percentilesOf, voiOf: voiOf, presentedVoi: presentedVoi, chainOf: chainOf, prepare: prepare, valueAt: valueAt,
    colourAt: colourAt, segmentOf: segmentOf, isInverse: isInverse
  };
})();
