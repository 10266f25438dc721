/* Three planes through a volume, made here from the stored values: axial, coronal, sagittal. */
MKISO.mpr = (function () {
  "use strict";
  let volume = MKISO.volume, geometry = MKISO.geometry, words = MKISO.words, frames = MKISO.frames;
  let CAP = (navigator.deviceMemory && navigator.deviceMemory < 4 ? 200 : 512) * 1048576;
  let NAMES = ["axial", "coronal", "sagittal"], COLOURS = { axial: "#ff8a80", coronal: "#9ccc65", sagittal: "#64b5f6" };
  let LANES = 24, viewports = [], running = null, number = 0;

  function arrangementOf(viewport) {
    if (viewport.arrangedFor !== viewport.frames) {
      viewport.arrangedFor = viewport.frames;
      viewport.arranged = volume.arrange(viewport.planes);
      if (!viewport.arranged.reason && !alike(viewport.frames)) viewport.arranged = { reason: "different" };
    }
    return viewport.arranged;
  }

  /* One grey sample of at most 16 bits, everywhere the same. */
  function alike(list) {
    let first = list[0];
    return first.samples_per_pixel === 1 && MKISO.lut.rangeOf(first.sample) && !MKISO.display.isColour(first) &&
      list.every(frame => frame.sample === first.sample && frame.coding !== "preview" && frame.coding !== "none");
  }

  function isPossible(viewport) {
    if (running || !viewport.entry || viewport.entry.references || !viewport.frames.length) return false;
    return !arrangementOf(viewport).reason;
  }

  function toggle(viewport, app) {
    if (running) { stop(app); return Promise.resolve(); }
    if (!isPossible(viewport)) return Promise.resolve();
    return start(viewport, app);
  }

  function start(source, app) {
    let arranged = arrangementOf(source), run = running = { id: ++number, entry: source.entry, choice: source.choice, point: null };
    MKISO.cine.stop(source);
    if (!viewports.length) viewports = NAMES.map((name, index) => MKISO.stage.make(name, app, index));
    viewports.forEach((viewport, index) => {
      viewport.empty();
      viewport.entry = entryOf(source.entry, NAMES[index]);
      viewport.showLoading(true);
      viewport.element.style.setProperty("--plane", COLOURS[NAMES[index]]);
    });
    let list = source.frames;
    app.setState("mpr", true);
    MKISO.stage.arrange(3, viewports);
    return fill(list, arranged, run).then(made => {
      if (run !== running) return;
      run.volume = made;
      /* one after the other: three planes at once would hold up the page */
      viewports.forEach((viewport, index) => {
        setTimeout(() => { if (run === running) present(viewport, NAMES[index], list, run); }, 0);
      });
      app.setTool("cross");
    }, () => {
      if (run !== running) return;
      stop(app);
      source.say(words.text("mpr.failed"));
    });
  }

  function entryOf(entry, name) {
    let title = words.text("plane." + name);
    return { id: "mpr/" + name, study: entry.study, series: entry.series, stack: { title: title, instances: 1 }, kind: "image", name: entry.name, origin: entry };
  }

  /* All frames into one array; every second or fourth pixel where memory would not do. */
  function fill(list, arranged, run) {
    let first = list[0], shrink = 1, uniform = list.every(frame => frame.rescale_slope === first.rescale_slope && frame.rescale_intercept === first.rescale_intercept && !frame.modality_lut);
    let width = uniform ? 2 : 4;
    while (first.rows / shrink * (first.columns / shrink) * list.length * width > CAP && shrink < 8) shrink *= 2;
    let columns = Math.ceil(first.columns / shrink), rows = Math.ceil(first.rows / shrink), size = rows * columns;
    let type = uniform ? { u8: Uint8Array, i8: Int8Array, u16: Uint16Array, i16: Int16Array }[first.sample] : Float32Array;
    let values = new type(size * list.length), place = new Map(), done = 0, low = Infinity, high = -Infinity, luts = null;
    arranged.order.forEach((index, plane) => { place.set(index, plane); });
    function take(picture, index) {
      if (run !== running) throw new Error("stopped");
      let copied = copy(picture, list[index], values, place.get(index) * size, columns, shrink, uniform);
      low = Math.min(low, copied[0]);
      high = Math.max(high, copied[1]);
      luts = luts || picture.luts;
      progress(++done, list.length);
    }
    return inTurn(list, take).then(() => ({
      values: values, columns: columns, rows: rows, planes: list.length, grid: volume.indexOf(arranged, list.length, shrink),
      frameOfReference: arranged.plane.frameOfReference, low: low, high: high, luts: uniform ? luts : Object.assign({}, luts, { modality: null }), uniform: uniform, shrink: shrink,
      sample: uniform ? first.sample : "f32", pixel: Math.min(arranged.plane.spacing[0], arranged.plane.spacing[1]) * shrink,
      step: Math.sqrt(geometry.dot(arranged.step, arranged.step))
    }));
  }

  /* Some frames at a time, with a breath after every few milliseconds. */
  function inTurn(list, take) {
    let next = 0, begun = performance.now();
    function lane() {
      if (next >= list.length) return Promise.resolve();
      let index = next++;
      return frames.get(list[index]).then(picture => {
        take(picture, index);
        if (performance.now() - begun < 8) return null;
        return new Promise(resolve => { setTimeout(resolve, 0); }).then(() => { begun = performance.now(); });
      }).then(lane);
    }
    return Promise.all(Array.from({ length: LANES }, lane));
  }

  function copy(picture, frame, values, offset, columns, shrink, uniform) {
    let from = picture.planes[0], modality = uniform ? null : MKISO.display.modalityOf(frame, picture), x, y, at = offset, value;
    if (uniform && shrink === 1) {
      values.set(from, offset);
      return [picture.low, picture.high];
    }
    for (y = 0; y < frame.rows; y += shrink) {
      for (x = 0; x < frame.columns; x += shrink) {
        value = from[y * frame.columns + x];
        values[at++] = modality ? MKISO.lut.modalityValue(value, modality) : value;
      }
    }
    let ends = [picture.low, picture.high].map(each => modality ? MKISO.lut.modalityValue(each, modality) : each);
    return [Math.min(ends[0], ends[1]), Math.max(ends[0], ends[1])];
  }

  function progress(done, all) {
    if (done % 8 && done !== all) return;
    viewports.forEach(viewport => { viewport.loading.textContent = words.text("mpr.loading", { percent: Math.round(100 * done / all) }); });
  }

  /* The stack of planes in one direction, each cut out when it is looked at. */
  function planesOf(made, name, list, run) {
    let axis = { axial: 2, coronal: 1, sagittal: 0 }[name], bounds = volume.boundsOf(made);
    let step = Math.abs(made.grid.z[axis]) > 0.7 * made.step ? made.step : made.pixel;
    let count = Math.floor((bounds.high[axis] - bounds.low[axis]) / step + 1e-6) + 1, out = [], index;
    let middle = bounds.low.map((low, each) => (low + bounds.high[each]) / 2);
    for (index = 0; index < count; index++) {
      let point = middle.slice();
      /* from the head down, from front to back, from right to left */
      point[axis] = axis === 2 ? bounds.high[axis] - index * step : bounds.low[axis] + index * step;
      out.push(frameOf(made, volume.planeThrough(made, name, point, made.pixel), list[0], "mpr/" + run.id + "/" + name + "/" + index, step));
    }
    return out;
  }

  function frameOf(made, plane, source, key, step) {
    let frame = Object.create(source);
    Object.assign(frame, {
      key: key, at: undefined, number: undefined, uid: "", overlays: undefined, coding: "mpr", sample: made.sample,
      rows: plane.rows, columns: plane.columns, pixel_spacing: plane.spacing, image_position_patient: plane.origin,
      image_orientation_patient: plane.row.concat(plane.column), slice_thickness: step, slice_location: undefined,
      /* what holds for the first slice alone, and would be taken over from it */
      instance: undefined, shutters: undefined, ultrasound_regions: undefined, segments: undefined, image_comments: undefined,
      derived: made.shrink > 1 ? "badge.mprreduced" : "badge.mpr", pixel_aspect_ratio: undefined
    });
    if (!made.uniform) Object.assign(frame, { rescale_slope: 1, rescale_intercept: 0 });
    frame.make = () => {
      let values = volume.slice(made, plane, made.low);
      return { planes: [values], sample: made.sample, low: made.low, high: made.high, luts: made.luts, bytes: values.byteLength };
    };
    return frame;
  }

  function present(viewport, name, list, run) {
    let planes = planesOf(run.volume, name, list, run);
    viewport.showLoading(false);
    viewport.choice = run.choice;
    viewport.showFrames(planes, Math.floor(planes.length / 2));
    viewport.percentiles = MKISO.display.percentilesOf(list);
  }

  function stop(app) {
    if (!running) return;
    running = null;
    viewports.forEach(viewport => { viewport.empty(); });
    app.setState("mpr", false);
    MKISO.stage.arrange(app.state().layout);
    if (app.tool() === "cross") app.setTool("window");
  }

  /* The other planes go through the point. */
  function cross(viewport, at, app) {
    let plane = viewport.planes[viewport.shown];
    if (!running || !plane) return;
    let point = geometry.toPatient(plane, at[0], at[1]);
    viewports.forEach(other => {
      if (other === viewport || !other.planes.length) return;
      let index = geometry.nearestPlane(other.planes, point);
      if (index >= 0 && index !== other.wanted) other.go(index);
    });
    app.later();
  }

  function linesFor(viewport) {
    let plane = viewport.planes[viewport.shown];
    if (!plane) return [];
    return viewports.filter(other => other !== viewport && other.planes[other.shown]).map(other => {
      let points = geometry.crossing(plane, other.planes[other.shown]);
      return points ? { points: points, colour: COLOURS[other.number], dashed: true } : null;
    }).filter(Boolean);
  }

  return { isPossible: isPossible, toggle: toggle, stop: stop, cross: cross, linesFor: linesFor,
    viewports: () => viewports, volume: () => running && running.volume };
})();
