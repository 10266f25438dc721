/* From the text in a chunk to stored values (docs/viewer-format.md, 4): base64, inflate, join the
   byte planes, undo zigzag and prediction, compare the check sum. `makeDecoder` is self-contained,
   because its text is also the text of the worker. */
MKISO.decoder = (function () {
  "use strict";

  function makeDecoder(inflateSlowly) {
    let ARRAYS = {
      u8: Uint8Array, i8: Int8Array, u16: Uint16Array, i16: Int16Array,
      u32: Uint32Array, i32: Int32Array, f32: Float32Array, f64: Float64Array
    };
    let SIGNED_OF = { u8: "i8", u16: "i16", u32: "i32", i8: "i8", i16: "i16", i32: "i32" };

    function bytesOfBase64(text) {
      if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
      let binary = atob(text), bytes = new Uint8Array(binary.length), index;
      for (index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index);
      return bytes;
    }

    function inflate(bytes) {
      if (typeof DecompressionStream === "undefined") {
        return Promise.resolve().then(() => inflateSlowly(bytes));
      }
      let stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      return new Response(stream).arrayBuffer().then(buffer => new Uint8Array(buffer));
    }

    /* Adler-32 (RFC 1950); 3800 bytes are the most that 32 bits hold without a division. */
    function adler32(bytes) {
      let a = 1, b = 0, index = 0, end;
      while (index < bytes.length) {
        end = Math.min(index + 3800, bytes.length);
        for (; index < end; index++) { a += bytes[index]; b += a; }
        a %= 65521;
        b %= 65521;
      }
      return ((b << 16) | a) >>> 0;
    }

    /* The median edge detector of LOCO-I (ISO/IEC 14495-1 A.4.1). Typed arrays wrap by themselves,
       so the sums are modular; whether minima compare signed numbers is the array's type. */
    function undoPrediction(values, offset, rows, columns) {
      let index = offset, end = offset + columns, row, left, above, corner, smaller, larger;
      for (index = offset + 1; index < end; index++) values[index] += values[index - 1];
      for (row = 1; row < rows; row++) {
        index = offset + row * columns;
        end = index + columns;
        corner = values[index - columns];
        values[index] += corner;
        left = values[index];
        for (index++; index < end; index++) {
          above = values[index - columns];
          if (left < above) { smaller = left; larger = above; } else { smaller = above; larger = left; }
          if (corner >= larger) values[index] += smaller;
          else if (corner <= smaller) values[index] += larger;
          else values[index] += left + above - corner;
          left = values[index];
          corner = above;
        }
      }
    }

    /* One byte plane after the other, the least significant first. */
    function joinPlanes(bytes, from, values, offset, count) {
      let width = values.BYTES_PER_ELEMENT, index, byte, second = from + count, code;
      if (width === 2) {
        for (index = 0; index < count; index++) {
          code = bytes[from + index] | (bytes[second + index] << 8);
          values[offset + index] = code;
        }
        return;
      }
      let target = new Uint8Array(values.buffer);
      for (byte = 0; byte < width; byte++) {
        for (index = 0; index < count; index++) {
          target[(offset + index) * width + byte] = bytes[from + byte * count + index];
        }
      }
    }

    function undoZigzag(values, offset, count) {
      let index, code, end = offset + count;
      let mask = values.BYTES_PER_ELEMENT === 1 ? 255 : values.BYTES_PER_ELEMENT === 2 ? 65535 : -1;
      for (index = offset; index < end; index++) {
        code = values[index] & mask;
        values[index] = (code >>> 1) ^ -(code & 1);
      }
    }

    /* Green, red minus green, blue minus green (4.1): returns red, green, blue. */
    function addGreen(planes) {
      let green = planes[0];
      function sum(difference) {
        let values = new green.constructor(green.length), index;
        for (index = 0; index < values.length; index++) values[index] = difference[index] + green[index];
        return values;
      }
      return [sum(planes[1]), green, sum(planes[2])];
    }

    function emptyPlanes(shape, predicted) {
      let planes = [], plane, type;
      for (plane = 0; plane < shape.samples; plane++) {
        type = shape.sample;
        if (predicted && type === "f32") type = "u32";
        if (predicted && plane > 0) type = SIGNED_OF[type];
        planes.push(new ARRAYS[type](shape.rows * shape.columns));
      }
      return planes;
    }

    function decodeBand(bytes, planes, firstRow, rows, shape, predicted) {
      let count = rows * shape.columns, offset = firstRow * shape.columns, from = 0;
      let needed = count * planes[0].BYTES_PER_ELEMENT * planes.length;
      if (bytes.length !== needed) throw new Error("length");
      planes.forEach(values => {
        joinPlanes(bytes, from, values, offset, count);
        from += count * values.BYTES_PER_ELEMENT;
        if (!predicted) return;
        undoZigzag(values, offset, count);
        undoPrediction(values, offset, rows, shape.columns);
      });
    }

    function finishPlanes(planes, shape, predicted) {
      if (predicted && shape.samples === 3) planes = addGreen(planes);
      if (predicted && shape.sample === "f32") {
        planes = planes.map(plane => new Float32Array(plane.buffer));
      }
      return planes;
    }

    /* The stored values as the data set has them: little endian, colours by pixel. */
    function storedBytes(planes) {
      if (planes.length === 1) return new Uint8Array(planes[0].buffer);
      let first = planes[0], count = planes.length, index, plane, from;
      let values = new first.constructor(first.length * count);
      for (plane = 0; plane < count; plane++) {
        from = planes[plane];
        for (index = 0; index < from.length; index++) values[index * count + plane] = from[index];
      }
      return new Uint8Array(values.buffer);
    }

    function decodePlanes(parts, shape, predicted) {
      let planes = emptyPlanes(shape, predicted), bandRows = shape.bandRows || shape.rows;
      return Promise.all(parts.map(text => inflate(bytesOfBase64(text)))).then(inflated => {
        if (inflated.length !== Math.ceil(shape.rows / bandRows)) throw new Error("parts");
        inflated.forEach((bytes, band) => {
          let rows = Math.min(bandRows, shape.rows - band * bandRows);
          decodeBand(bytes, planes, band * bandRows, rows, shape, predicted);
        });
        planes = finishPlanes(planes, shape, predicted);
        return { planes: planes, sum: adler32(storedBytes(planes)) };
      });
    }

    function decodeBits(parts, shape) {
      return inflate(bytesOfBase64(parts[0])).then(bytes => {
        let count = shape.rows * shape.columns, values = new Uint8Array(count), index;
        if (bytes.length < Math.ceil(count / 8)) throw new Error("length");
        for (index = 0; index < count; index++) values[index] = (bytes[index >> 3] >> (index & 7)) & 1;
        return { planes: [values], sum: adler32(bytes) };
      });
    }

    function joinParts(parts) {
      let arrays = parts.map(bytesOfBase64), size = 0, bytes;
      arrays.forEach(each => { size += each.length; });
      bytes = new Uint8Array(size);
      size = 0;
      arrays.forEach(each => { bytes.set(each, size); size += each.length; });
      return { planes: [bytes], sum: adler32(bytes) };
    }

    /* The least and the greatest value of a grey frame: what a lookup table has to cover. */
    function addRange(frame) {
      let values = frame.planes[0], low = Infinity, high = -Infinity, index, value;
      for (index = 0; index < values.length; index++) {
        value = values[index];
        if (value < low) low = value;
        if (value > high) high = value;
      }
      frame.low = low;
      frame.high = high;
      return frame;
    }

    /* shape: coding, sample, rows, columns, samples, bandRows, sum. Gives planes, one typed array a
       sample (for JPEG one with the stream), or fails. */
    function decode(parts, shape) {
      return Promise.resolve().then(() => {
        if (shape.coding === "med") return decodePlanes(parts, shape, true);
        if (shape.coding === "planes") return decodePlanes(parts, shape, false);
        if (shape.coding === "bits") return decodeBits(parts, shape);
        if (shape.coding === "jpeg" || shape.coding === "preview") return joinParts(parts);
        throw new Error("coding");
      }).then(frame => {
        if (shape.sum !== undefined && frame.sum !== shape.sum) throw new Error("checksum");
        return frame.planes.length === 1 ? addRange(frame) : frame;
      });
    }

    function decodeBlob(text) { return inflate(bytesOfBase64(text)); }

    return { decode: decode, decodeBlob: decodeBlob, adler32: adler32, inflate: inflate };
  }

  /* What the worker does with a message. */
  function serve(scope, decoder) {
    scope.onmessage = event => {
      let task = event.data;
      decoder.decode(task.parts, task.shape).then(frame => {
        let buffers = frame.planes.map(plane => plane.buffer);
        frame.id = task.id;
        scope.postMessage(frame, buffers);
      }, error => {
        scope.postMessage({ id: task.id, error: String((error && error.message) || error) });
      });
    };
  }

  let decoder = makeDecoder(MKISO.inflateSlowly);

  decoder.workerText = () => {
    return "'use strict';(" + serve + ")(self,(" + makeDecoder + ")(" + MKISO.inflateSlowly + "));";
  };
  return decoder;
})();
