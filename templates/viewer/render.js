/* A picture and its chain as pixels of a canvas of its own, one canvas pixel for `step` image pixels. */
MKISO.render = (function () {
  "use strict";
  let lut = MKISO.lut;
  let kept = { key: "", table: null, low: 0, high: -1 };

  function pack(red, green, blue) { return (0xFF000000 | (blue << 16) | (green << 8) | red) >>> 0; }

  function keyOf(sample, chain, palette, tint) {
    function short(table) { return table ? [table.first, table.bits, table.values.length, sumOf(table.values)] : 0; }
    return JSON.stringify([
      sample, chain.modality.slope, chain.modality.intercept, short(chain.modality.table),
      chain.voi.center, chain.voi.width, chain.voi.kind, short(chain.voi.table),
      chain.presentation.inverted, short(chain.presentation.table), palette ? short(palette.red) : 0, tint
    ]);
  }

  function sumOf(values) {
    let sum = 0, index;
    for (index = 0; index < values.length; index += 7) sum = (sum * 31 + values[index]) | 0;
    return sum;
  }

  /* Screen colours for stored values of at most 16 bits; kept from frame to frame. */
  function tableFor(picture, frame, chain) {
    let segment = MKISO.display.segmentOf(frame), tint = segment && segment.rgb ? segment.rgb : null;
    let palette = picture.luts.palette, key = keyOf(picture.sample, chain, palette, tint);
    let range = lut.rangeOf(picture.sample), mask = range[1] - 1, value, grey;
    if (kept.key !== key) kept = { key: key, table: new Uint32Array(range[1]), low: 0, high: -1 };
    let low = picture.low, high = picture.high;
    if (kept.low <= kept.high) {
      if (low >= kept.low && high <= kept.high) return kept.table;
      low = Math.min(low, kept.low);
      high = Math.max(high, kept.high);
    }
    let whole = frame.photometric_interpretation === "PALETTE COLOR";
    for (value = low; value <= high; value++) {
      if (palette && (whole || value >= palette.red.first)) {
        kept.table[value & mask] = pack.apply(null, lut.paletteColour(value, palette));
        continue;
      }
      grey = lut.grey(value, chain);
      kept.table[value & mask] = tint ? pack(tint[0] * grey / 255, tint[1] * grey / 255, tint[2] * grey / 255)
        : pack(grey, grey, grey);
    }
    kept.low = low;
    kept.high = high;
    return kept.table;
  }

  function paintTable(values, table, frame, out, step) {
    let mask = table.length - 1, index = 0, x, y, at;
    if (step === 1) {
      for (index = 0; index < out.length; index++) out[index] = table[values[index] & mask];
      return;
    }
    for (y = 0; y < frame.rows; y += step) {
      at = y * frame.columns;
      for (x = 0; x < frame.columns; x += step) out[index++] = table[values[at + x] & mask];
    }
  }

  /* 32 bits and floating point: no table could hold them. */
  function paintWide(values, chain, frame, out, step) {
    let index = 0, x, y, grey;
    for (y = 0; y < frame.rows; y += step) {
      for (x = 0; x < frame.columns; x += step) {
        grey = lut.grey(values[y * frame.columns + x], chain);
        out[index++] = pack(grey, grey, grey);
      }
    }
  }

  function paintColours(planes, frame, out, step) {
    let shift = planes[0].BYTES_PER_ELEMENT === 1 ? 0 : Math.max(0, (frame.bits_stored || 16) - 8);
    let index = 0, x, y, at;
    for (y = 0; y < frame.rows; y += step) {
      for (x = 0; x < frame.columns; x += step) {
        at = y * frame.columns + x;
        out[index++] = pack(planes[0][at] >> shift, planes[1][at] >> shift, planes[2][at] >> shift);
      }
    }
  }

  /* Fills `canvas` (made larger or smaller as needed) and returns what is to be drawn: the canvas,
     or the decoded JPEG picture itself. */
  function paint(picture, frame, chain, canvas, step) {
    if (picture.bitmap) return picture.bitmap;
    let width = Math.ceil(frame.columns / step), height = Math.ceil(frame.rows / step);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    let context = canvas.getContext("2d"), image = context.createImageData(width, height);
    let out = new Uint32Array(image.data.buffer);
    if (picture.planes.length === 3) paintColours(picture.planes, frame, out, step);
    else if (lut.rangeOf(picture.sample)) {
      paintTable(picture.planes[0], tableFor(picture, frame, chain), frame, out, step);
    } else paintWide(picture.planes[0], chain, frame, out, step);
    context.putImageData(image, 0, 0);
    return canvas;
  }

  return { paint: paint };
})();
