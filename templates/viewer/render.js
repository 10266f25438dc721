/* A picture and its chain as pixels of a canvas of its own, one canvas pixel for `step` image pixels. */
MKISO.render = (function () {
  "use strict";
  let lut = MKISO.lut;
  let SLICE_PIXELS = 600000;
  let kept = { key: "", table: null, low: 0, high: -1 };

  function pack(red, green, blue) { return (0xFF000000 | (blue << 16) | (green << 8) | red) >>> 0; }

  function keyOf(sample, chain, palette, tint) {
    function short(table) { return table ? [table.first, table.bits, table.values.length, sumOf(table.values)] : 0; }
    function all(tables) { return tables ? [short(tables.red), short(tables.green), short(tables.blue)] : 0; }
    return JSON.stringify([
      sample, chain.modality.slope, chain.modality.intercept, short(chain.modality.table),
      chain.voi.center, chain.voi.width, chain.voi.kind, short(chain.voi.table),
      chain.presentation.inverted, short(chain.presentation.table), all(chain.presentation.palette), all(palette), tint
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
    let pseudo = chain.presentation.palette;
    for (value = low; value <= high; value++) {
      if (palette && (whole || value >= palette.red.first)) {
        kept.table[value & mask] = pack.apply(null, lut.paletteColour(value, palette));
        continue;
      }
      grey = lut.grey(value, chain);
      kept.table[value & mask] = pseudo ? pack.apply(null, lut.pseudoColour(grey / 255, pseudo)) : tint ? pack(tint[0] * grey / 255, tint[1] * grey / 255, tint[2] * grey / 255)
        : pack(grey, grey, grey);
    }
    kept.low = low;
    kept.high = high;
    return kept.table;
  }

  /* Rows `from` to `to` of the image, every `step`-th. */
  function paintTable(values, table, frame, out, step, from, to) {
    let mask = table.length - 1, index = 0, x, y, at;
    if (step === 1) {
      at = from * frame.columns;
      for (index = 0; index < out.length; index++) out[index] = table[values[at + index] & mask];
      return;
    }
    for (y = from; y < to; y += step) {
      at = y * frame.columns;
      for (x = 0; x < frame.columns; x += step) out[index++] = table[values[at + x] & mask];
    }
  }

  /* 32 bits and floating point: no table could hold them. */
  function paintWide(values, chain, frame, out, step, from, to) {
    let index = 0, x, y, grey;
    for (y = from; y < to; y += step) {
      for (x = 0; x < frame.columns; x += step) {
        grey = lut.grey(values[y * frame.columns + x], chain);
        out[index++] = pack(grey, grey, grey);
      }
    }
  }

  function paintColours(planes, frame, out, step, from, to) {
    let shift = planes[0].BYTES_PER_ELEMENT === 1 ? 0 : Math.max(0, (frame.bits_stored || 16) - 8);
    let index = 0, x, y, at;
    for (y = from; y < to; y += step) {
      for (x = 0; x < frame.columns; x += step) {
        at = y * frame.columns + x;
        out[index++] = pack(planes[0][at] >> shift, planes[1][at] >> shift, planes[2][at] >> shift);
      }
    }
  }

  function sizeCanvas(canvas, width, height) {
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
  }

  function paintRows(picture, frame, chain, canvas, step, from, to) {
    let width = Math.ceil(frame.columns / step), height = Math.ceil((to - from) / step);
    let context = canvas.getContext("2d"), image = context.createImageData(width, height);
    let out = new Uint32Array(image.data.buffer);
    if (picture.planes.length === 3) paintColours(picture.planes, frame, out, step, from, to);
    else if (lut.rangeOf(picture.sample)) {
      paintTable(picture.planes[0], tableFor(picture, frame, chain), frame, out, step, from, to);
    } else paintWide(picture.planes[0], chain, frame, out, step, from, to);
    context.putImageData(image, 0, Math.ceil(from / step));
  }

  /* Fills `canvas` (made larger or smaller as needed) and returns what is to be drawn: the canvas,
     or the decoded JPEG picture itself. */
  function paint(picture, frame, chain, canvas, step) {
    if (picture.bitmap) return picture.bitmap;
    sizeCanvas(canvas, Math.ceil(frame.columns / step), Math.ceil(frame.rows / step));
    paintRows(picture, frame, chain, canvas, step, 0, frame.rows);
    return canvas;
  }

  /* The same in slices of some milliseconds, so that a large image holds nothing up. `goOn` is
     asked before each; `done` is called after the last. */
  function paintSlowly(picture, frame, chain, canvas, goOn, done) {
    let row = 0, rows = Math.max(1, Math.floor(SLICE_PIXELS / frame.columns));
    sizeCanvas(canvas, frame.columns, frame.rows);
    function next() {
      if (!goOn()) return;
      paintRows(picture, frame, chain, canvas, 1, row, Math.min(frame.rows, row + rows));
      row += rows;
      if (row >= frame.rows) done();
      else setTimeout(next, 0);
    }
    setTimeout(next, 0);
  }

  /* What decides how a frame is painted; the same key, the same pixels. */
  function keyFor(picture, frame, chain) {
    let segment = MKISO.display.segmentOf(frame);
    return frame.key + keyOf(picture.sample, chain, picture.luts.palette, segment && segment.rgb);
  }

  return { paint: paint, paintSlowly: paintSlowly, keyFor: keyFor };
})();
