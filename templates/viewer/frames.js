/* Decoded frames: which to load next, the worker that decodes them, and the memory they may take.
   A picture is {planes, sample, low, high, sum, bitmap, luts, bytes}. */
MKISO.frames = (function () {
  "use strict";
  let loader = MKISO.loader;
  let CAP = (navigator.deviceMemory && navigator.deviceMemory < 4 ? 128 : 256) * 1048576;
  let PREFETCH_SHARE = 0.4, AT_ONCE = 2, BACKLOG = 24;
  let cache = new Map(), bytes = 0, failures = new Map(), waiters = new Map(), decoding = new Map();
  let views = new Map(), tables = new Map(), listeners = [];
  let worker = null, tasks = new Map(), taskNumber = 0;

  /* --- memory: least recently used first out, but never what is on the screen --- */

  function isVisible(key) {
    let found = false;
    views.forEach((view, viewport) => {
      let wanted = view.frames[view.index], shown = viewport.frame();
      if ((wanted && wanted.key === key) || (shown && shown.key === key)) found = true;
    });
    return found;
  }

  function keep(key, picture) {
    drop(key);
    cache.set(key, picture);
    bytes += picture.bytes;
    for (let old of Array.from(cache.keys())) {
      if (bytes <= CAP) return;
      if (old !== key && !isVisible(old)) drop(old);
    }
  }

  function drop(key) {
    let picture = cache.get(key);
    if (!picture) return;
    cache.delete(key);
    bytes -= picture.bytes;
    if (picture.bitmap && picture.bitmap.close) picture.bitmap.close();
  }

  /* A frame with `make` (a plane cut out of a volume) is computed, not loaded. */
  function peek(frame) {
    let picture = cache.get(frame.key);
    if (!picture && frame.make) keep(frame.key, frame.make());
    picture = picture || cache.get(frame.key);
    if (picture) { cache.delete(frame.key); cache.set(frame.key, picture); }
    return picture || null;
  }

  /* --- decoding --- */

  function startWorker() {
    try {
      let address = URL.createObjectURL(new Blob([MKISO.decoder.workerText()], { type: "text/javascript" }));
      worker = new Worker(address);
      worker.onmessage = event => { finishTask(event.data); };
      worker.onerror = event => { event.preventDefault(); giveUpWorker(); };
    } catch (refused) {
      worker = null;
    }
  }

  /* Browsers that allow no worker here decode on the page itself: slower, and as right. */
  function giveUpWorker() {
    worker = null;
    Array.from(tasks.values()).forEach(task => { decodeHere(task); });
  }

  function decodeHere(task) {
    setTimeout(() => {
      MKISO.decoder.decode(task.parts, task.shape).then(picture => {
        picture.id = task.id;
        finishTask(picture);
      }, error => { finishTask({ id: task.id, error: error.message }); });
    }, 0);
  }

  function finishTask(answer) {
    let task = tasks.get(answer.id);
    if (!task) return;
    tasks.delete(answer.id);
    if (answer.error) task.reject(new Error(answer.error));
    else task.resolve(answer);
  }

  function decode(parts, frame) {
    return new Promise((resolve, reject) => {
      let shape = {
        coding: frame.coding, sample: frame.sample, rows: frame.rows, columns: frame.columns,
        samples: frame.samples_per_pixel, bandRows: frame.band_rows, sum: frame.sum
      };
      let task = { id: ++taskNumber, parts: parts, shape: shape, resolve: resolve, reject: reject };
      tasks.set(task.id, task);
      if (worker) worker.postMessage({ id: task.id, parts: parts, shape: shape });
      else decodeHere(task);
    });
  }

  function chunksOf(frame) { return new Set(frame.at.map(place => place[0])); }

  /* The parts of a frame, or which of its chunks is not here yet; throws when one is lost. */
  function partsOf(frame) {
    let missing = null, parts = frame.at.map(place => {
      let entries = loader.chunk(frame.series, place[0]);
      if (!entries) {
        let failure = loader.failure(frame.series, place[0]);
        if (failure) throw new Error(failure);
        missing = missing || place;
        return null;
      }
      if (typeof entries[place[1]] !== "string") throw new Error("damaged");
      return entries[place[1]];
    });
    return missing ? { missing: missing[0] } : { parts: parts };
  }

  /* Lookup tables come as blobs; the same one is inflated once. */
  function tableOf(given) {
    if (!given) return Promise.resolve(null);
    if (!tables.has(given)) {
      tables.set(given, MKISO.decoder.decodeBlob(given.data).then(raw => {
        let values = new Uint16Array(raw.buffer, 0, Math.min(given.entries, raw.length >> 1));
        if (!values.length) throw new Error("damaged");
        return { first: given.first, bits: given.bits, values: values, explanation: given.explanation || "" };
      }));
    }
    return tables.get(given);
  }

  function lutsOf(frame) {
    let palette = frame.palette || {};
    return Promise.all([
      tableOf(frame.modality_lut), Promise.all((frame.voi_luts || []).map(tableOf)),
      tableOf(palette.red), tableOf(palette.green), tableOf(palette.blue)
    ]).then(found => {
      return {
        modality: found[0], voi: found[1],
        palette: found[2] ? { red: found[2], green: found[3], blue: found[4] } : null
      };
    });
  }

  function asBitmap(stream) {
    let blob = new Blob([stream], { type: "image/jpeg" });
    if (window.createImageBitmap) return window.createImageBitmap(blob);
    return new Promise((resolve, reject) => {
      let image = new Image(), address = URL.createObjectURL(blob);
      image.onload = () => { URL.revokeObjectURL(address); resolve(image); };
      image.onerror = () => { URL.revokeObjectURL(address); reject(new Error("damaged")); };
      image.src = address;
    });
  }

  function finish(frame, decoded, luts) {
    let picture = { sum: decoded.sum, luts: luts, sample: frame.sample, bytes: 0 };
    if (frame.coding !== "jpeg" && frame.coding !== "preview") {
      picture.planes = decoded.planes;
      picture.low = decoded.low;
      picture.high = decoded.high;
      decoded.planes.forEach(plane => { picture.bytes += plane.byteLength; });
      return picture;
    }
    return asBitmap(decoded.planes[0]).then(bitmap => {
      picture.bitmap = bitmap;
      picture.bytes = bitmap.width * bitmap.height * 4;
      return picture;
    });
  }

  function begin(frame, parts) {
    decoding.set(frame.key, true);
    Promise.all([decode(parts, frame), lutsOf(frame)]).then(found => finish(frame, found[0], found[1])).then(picture => {
      keep(frame.key, picture);
      settle(frame, picture, null);
    }, error => { fail(frame, error); });
  }

  function fail(frame, error) {
    let known = ["missing", "damaged", "slow", "checksum"];
    let code = known.indexOf(error.message) < 0 ? "damaged" : error.message;
    failures.set(frame.key, code);
    Promise.resolve().then(() => { settle(frame, null, code); });
  }

  function settle(frame, picture, code) {
    let waiting = waiters.get(frame.key);
    decoding.delete(frame.key);
    waiters.delete(frame.key);
    if (waiting) {
      if (picture) waiting.resolve(picture);
      else waiting.reject(new Error(code));
    }
    listeners.forEach(listener => { listener(frame); });
    pump();
  }

  /* --- what to do next --- */

  function isOpen(frame) {
    return frame && frame.at && !cache.has(frame.key) && !failures.has(frame.key) && !decoding.has(frame.key);
  }

  /* Calls `take` with frames in the order in which they are wanted, until it says stop: what is on
     the screen, what somebody waits for, then outwards in the direction of scrolling. */
  function eachWanted(take) {
    let stop = false, room = PREFETCH_SHARE * CAP;
    views.forEach(view => { stop = stop || take(view.frames[view.index]); });
    waiters.forEach(waiter => { stop = stop || take(waiter.frame); });
    let steps = Array.from(views.values()).map(outwards);
    while (!stop && steps.length && room > 0) {
      steps = steps.filter(step => {
        if (stop || room <= 0) return false;
        let frame = step();
        if (!frame) return false;
        room -= frame.rows * frame.columns * (frame.samples_per_pixel || 1) * 2;
        stop = take(frame);
        return true;
      });
    }
  }

  function outwards(view) {
    let ahead = view.index, behind = view.index, turn = 0, way = view.direction || 1;
    let last = view.frames.length - 1;
    return () => {
      /* three ahead for one behind */
      let forward = turn++ % 4 !== 3;
      function inside(index) { return index >= 0 && index <= last; }
      if (forward && !inside(ahead + way)) forward = false;
      else if (!forward && !inside(behind - way)) forward = true;
      if (forward) { ahead += way; return inside(ahead) ? view.frames[ahead] : null; }
      behind -= way;
      return inside(behind) ? view.frames[behind] : null;
    };
  }

  /* The loader asks this when it has nothing to load. */
  function nextChunk() {
    let task = null, ready = 0;
    eachWanted(frame => {
      if (!isOpen(frame)) return false;
      let found = tryParts(frame);
      if (found && found.missing !== undefined) task = loader.chunkTask(frame.series, found.missing, chunksOf(frame).size);
      else ready++;
      return !!task || ready > BACKLOG;
    });
    if (task) wrap(task);
    return task;
  }

  function wrap(task) {
    ["resolve", "reject"].forEach(name => {
      let original = task[name];
      task[name] = value => { original(value); pump(); };
    });
  }

  function tryParts(frame) {
    try {
      return partsOf(frame);
    } catch (error) {
      fail(frame, error);
      return null;
    }
  }

  function pump() {
    if (decoding.size < AT_ONCE) {
      let ready = [];
      eachWanted(frame => {
        if (!isOpen(frame)) return false;
        let found = tryParts(frame);
        if (found && found.parts) {
          decoding.set(frame.key, true);
          ready.push([frame, found.parts]);
        }
        return decoding.size >= AT_ONCE;
      });
      ready.forEach(each => { begin(each[0], each[1]); });
    }
    loader.next();
  }

  function get(frame) {
    let picture = peek(frame);
    if (picture) return Promise.resolve(picture);
    if (!frame.at) return Promise.reject(new Error("none"));
    if (failures.has(frame.key)) return Promise.reject(new Error(failures.get(frame.key)));
    let waiting = waiters.get(frame.key);
    if (!waiting) {
      waiting = { frame: frame };
      waiting.promise = new Promise((resolve, reject) => {
        waiting.resolve = resolve;
        waiting.reject = reject;
      });
      waiters.set(frame.key, waiting);
      pump();
    }
    return waiting.promise;
  }

  function show(view, frames, index, direction) {
    views.set(view, { frames: frames, index: index, direction: direction });
    pump();
  }

  /* The drive gets another chance with everything of the series that could not be read. */
  function retry(frame) {
    Array.from(failures.keys()).forEach(key => { if (key.indexOf(frame.series + "/") === 0) failures.delete(key); });
    chunksOf(frame).forEach(number => { loader.forget(frame.series, number); });
    pump();
  }

  loader.whenIdle(nextChunk);
  startWorker();

  return {
    get: get, peek: peek, show: show, retry: retry, tableOf: tableOf,
    hide: view => { views.delete(view); },
    failure: frame => failures.get(frame.key) || null,
    onFrame: listener => { listeners.push(listener); },
    memory: () => ({ bytes: bytes, cap: CAP, frames: cache.size, worker: !!worker }),
    has: frame => cache.has(frame.key),
    setCap: size => { CAP = size; }
  };
})();
