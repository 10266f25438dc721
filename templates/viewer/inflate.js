/* Inflate (RFC 1950, RFC 1951) for browsers of before 2023, which have no DecompressionStream.
   One self-contained function: its text goes into the worker too. */
MKISO.inflateSlowly = function inflateSlowly(bytes) {
  "use strict";
  if ((bytes[0] & 15) !== 8 || ((bytes[0] << 8) | bytes[1]) % 31) throw new Error("zlib");
  let position = 2, hold = 0, held = 0, out = new Uint8Array(bytes.length * 4 + 64), size = 0;

  function bits(count) {
    while (held < count) {
      if (position >= bytes.length) throw new Error("zlib");
      hold |= bytes[position++] << held;
      held += 8;
    }
    let value = hold & ((1 << count) - 1);
    hold >>>= count;
    held -= count;
    return value;
  }

  function makeRoom(count) {
    if (size + count <= out.length) return;
    let larger = new Uint8Array(Math.max(out.length * 2, size + count));
    larger.set(out);
    out = larger;
  }

  function codeOf(lengths) {
    let counts = new Uint16Array(16), starts = new Uint16Array(16), length;
    let symbols = new Uint16Array(lengths.length);
    lengths.forEach(each => { counts[each]++; });
    counts[0] = 0;
    for (length = 1; length < 16; length++) starts[length] = starts[length - 1] + counts[length - 1];
    lengths.forEach((each, symbol) => { if (each) symbols[starts[each]++] = symbol; });
    return { counts: counts, symbols: symbols };
  }

  function symbolOf(code) {
    let value = 0, first = 0, start = 0, length, count;
    for (length = 1; length < 16; length++) {
      value |= bits(1);
      count = code.counts[length];
      if (value - count < first) return code.symbols[start + (value - first)];
      start += count;
      first = (first + count) << 1;
      value <<= 1;
    }
    throw new Error("zlib");
  }

  function times(count, length) {
    let list = [];
    while (count--) list.push(length);
    return list;
  }

  function dynamicCodes() {
    let literals = bits(5) + 257, distances = bits(5) + 1, count = bits(4) + 4, lengths = [], index;
    let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let short = times(19, 0), code, symbol, again, value;
    for (index = 0; index < count; index++) short[order[index]] = bits(3);
    code = codeOf(short);
    while (lengths.length < literals + distances) {
      symbol = symbolOf(code);
      if (symbol < 16) { lengths.push(symbol); continue; }
      value = symbol === 16 ? lengths[lengths.length - 1] : 0;
      again = symbol === 16 ? 3 + bits(2) : symbol === 17 ? 3 + bits(3) : 11 + bits(7);
      while (again--) lengths.push(value);
    }
    return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))];
  }

  function fixedCodes() {
    let lengths = times(144, 8).concat(times(112, 9), times(24, 7), times(8, 8));
    return [codeOf(lengths), codeOf(times(30, 5))];
  }

  function lengthOf(symbol) {
    if (symbol < 265) return symbol - 254;
    if (symbol === 285) return 258;
    let extra = (symbol - 261) >> 2;
    return ((((symbol - 265) & 3) + 4) << extra) + 3 + bits(extra);
  }

  function distanceOf(symbol) {
    if (symbol < 4) return symbol + 1;
    let extra = (symbol >> 1) - 1;
    return ((2 + (symbol & 1)) << extra) + 1 + bits(extra);
  }

  function copyStored() {
    hold = held = 0;
    let count = bytes[position] | (bytes[position + 1] << 8);
    position += 4;
    if (position + count > bytes.length) throw new Error("zlib");
    makeRoom(count);
    out.set(bytes.subarray(position, position + count), size);
    position += count;
    size += count;
  }

  function copyCoded(codes) {
    let symbol, length, distance;
    while ((symbol = symbolOf(codes[0])) !== 256) {
      makeRoom(258);
      if (symbol < 256) { out[size++] = symbol; continue; }
      length = lengthOf(symbol);
      distance = distanceOf(symbolOf(codes[1]));
      if (distance > size) throw new Error("zlib");
      while (length--) { out[size] = out[size - distance]; size++; }
    }
  }

  function requireAdler32() {
    let a = 1, b = 0, index;
    position -= held >> 3; /* whole bytes that were taken too early */
    for (index = 0; index < size; index++) {
      a = (a + out[index]) % 65521;
      b = (b + a) % 65521;
    }
    let wanted = ((bytes[position] << 24) | (bytes[position + 1] << 16) |
      (bytes[position + 2] << 8) | bytes[position + 3]) >>> 0;
    if (wanted !== ((b << 16) | a) >>> 0) throw new Error("zlib");
  }

  let last, type;
  do {
    last = bits(1);
    type = bits(2);
    if (type === 0) copyStored();
    else if (type === 1) copyCoded(fixedCodes());
    else if (type === 2) copyCoded(dynamicCodes());
    else throw new Error("zlib");
  } while (!last);
  requireAdler32();
  return out.slice(0, size);
};
