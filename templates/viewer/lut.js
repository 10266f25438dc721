/* From stored value to grey (docs/viewer-format.md, 5.1): pure functions, numbers in, numbers out. */
MKISO.lut = (function () {
  "use strict";

  function clamp(value, low, high) { return value < low ? low : value > high ? high : value; }

  /* PS3.3 C.11.1.1: below the first mapped value the first entry, beyond the last one the last. */
  function look(table, value) {
    return table.values[clamp(Math.round(value) - table.first, 0, table.values.length - 1)];
  }

  /* PS3.3 C.11.1: what the pixel means (HU, optical density ...). */
  function modalityValue(stored, modality) {
    if (modality.table) return look(modality.table, stored);
    return stored * modality.slope + modality.intercept;
  }

  /* PS3.3 C.11.2.1.2.1 LINEAR, C.11.2.1.3.1 SIGMOID, C.11.2.1.3.2 LINEAR_EXACT; 0 ... 1. */
  function windowed(x, center, width, kind) {
    if (kind === "SIGMOID") return 1 / (1 + Math.exp(-4 * (x - center) / width));
    if (kind === "LINEAR_EXACT") {
      if (x <= center - width / 2) return 0;
      if (x > center + width / 2) return 1;
      return (x - center) / width + 0.5;
    }
    if (x <= center - 0.5 - (width - 1) / 2) return 0;
    if (x > center - 0.5 + (width - 1) / 2) return 1;
    return (x - (center - 0.5)) / (width - 1) + 0.5;
  }

  /* voi: {center, width, kind} or {table: {first, bits, values}} (C.11.2.1.1). */
  function voiValue(x, voi) {
    if (voi.table) return look(voi.table, x) / (Math.pow(2, voi.table.bits) - 1);
    return windowed(x, voi.center, voi.width, voi.kind);
  }

  /* PS3.3 C.11.6: shape or table; `inverted` is MONOCHROME1, INVERSE or the user's wish. */
  function presentationValue(share, presentation) {
    let table = presentation && presentation.table, last;
    if (table) {
      last = table.values.length - 1;
      share = table.values[Math.round(share * last)] / (Math.pow(2, table.bits) - 1);
    }
    return presentation && presentation.inverted ? 1 - share : share;
  }

  /* One stored value to 0 ... 255. */
  function grey(stored, chain) {
    let share = voiValue(modalityValue(stored, chain.modality), chain.voi);
    return Math.round(255 * presentationValue(share, chain.presentation));
  }

  /* The first stored value and the number of values of a type of at most 16 bits. */
  function rangeOf(sample) {
    return { u8: [0, 256], i8: [-128, 256], u16: [0, 65536], i16: [-32768, 65536] }[sample] || null;
  }

  /* Palette (PS3.3 C.7.6.3.1.5, C.7.9): red, green, blue of a stored value as bytes. */
  function paletteColour(stored, palette) {
    return ["red", "green", "blue"].map(name => {
      let table = palette[name], value = look(table, stored);
      return table.bits > 8 ? value >> 8 : value;
    });
  }

  /* The two values between which almost all pixels lie, when no window is given (5.1, "none"). */
  function percentileWindow(low, high) {
    let width = high - low;
    if (!(width > 0)) return { center: low + 0.5, width: 1, kind: "LINEAR_EXACT", explanation: "" };
    return { center: low + width / 2, width: width, kind: "LINEAR_EXACT", explanation: "" };
  }

  /* Pseudo colour of a presentation state (PS3.3 C.11.15, PS3.4 N.2.4): 0 ... 1 along the palette. */
  function pseudoColour(share, palette) {
    return paletteColour(palette.red.first + Math.round(share * (palette.red.values.length - 1)), palette);
  }

  /* A window that a LINEAR ramp of this table covers: where a drag starts from when a LUT is on. */
  function windowOfTable(table) {
    let last = table.values.length - 1, low = 0, high = last;
    while (low < last && table.values[low + 1] === table.values[0]) low++;
    while (high > low && table.values[high - 1] === table.values[last]) high--;
    return percentileWindow(table.first + low, table.first + high);
  }

  return {
    modalityValue: modalityValue, windowed: windowed, voiValue: voiValue,
    presentationValue: presentationValue, grey: grey, rangeOf: rangeOf,
    paletteColour: paletteColour, pseudoColour: pseudoColour, percentileWindow: percentileWindow,
    windowOfTable: windowOfTable, look: look
  };
})();
