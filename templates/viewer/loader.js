/* Brings the scripts with data in from the disc, one at a time: a drive that has to seek between two
   files is slower than one that reads them one after the other. */
MKISO.loader = (function () {
  "use strict";
  let DEADLINE_MS = 90000;     /* a scratched disc may try for long; then the rest has its turn */
  let KEPT_CHUNKS = 24, KEPT_CHARACTERS = 64e6;
  let queue = [], busy = false, arrived = new Map(), chunks = new Map(), failed = new Map();
  let idle = () => {}, loads = 0;

  /* Runs one script; resolves with what it handed over under `key`. */
  function run(source, key) {
    return new Promise((resolve, reject) => {
      let script = document.createElement("script"), timer;
      function done(error) {
        clearTimeout(timer);
        script.onload = script.onerror = null;
        script.remove();
        let given = arrived.get(key);
        arrived.delete(key);
        if (given) resolve(given);
        else reject(new Error(error));
      }
      timer = setTimeout(() => { done("slow"); }, DEADLINE_MS);
      script.onload = () => { done("damaged"); };
      script.onerror = () => { done("missing"); };
      script.src = source;
      loads++;
      document.head.appendChild(script);
    });
  }

  function next() {
    if (busy) return;
    let task = queue.shift() || idle();
    if (!task) return;
    busy = true;
    run(task.source, task.key).then(task.resolve, task.reject).then(() => {
      busy = false;
      next();
    });
  }

  /* A script whose content somebody waits for (an index); before all chunks. */
  function file(source, key) {
    return new Promise((resolve, reject) => {
      queue.push({ source: source, key: key, resolve: resolve, reject: reject });
      next();
    });
  }

  function chunkKey(series, number) { return series + "/" + number; }

  function chunkSource(series, number) {
    return "VIEWER/" + series + "/C" + ("0000" + number).slice(-Math.max(4, String(number).length)) + ".JS";
  }

  /* The task that loads a chunk, for `idle`. `together`: so many chunks make one frame, and have to
     be here at the same time however many they are. */
  function chunkTask(series, number, together) {
    let key = chunkKey(series, number);
    return {
      source: chunkSource(series, number), key: key,
      resolve: entries => {
        let size = entries.reduce((sum, text) => sum + text.length, 0);
        chunks.set(key, { entries: entries, size: size });
        trim(together);
      },
      reject: error => { failed.set(key, error.message); }
    };
  }

  function trim(together) {
    let size = 0;
    chunks.forEach(chunk => { size += chunk.size; });
    Array.from(chunks.keys()).forEach(key => {
      if (chunks.size <= together || (chunks.size <= KEPT_CHUNKS && size <= KEPT_CHARACTERS)) return;
      size -= chunks.get(key).size;
      chunks.delete(key);
    });
  }

  function chunk(series, number) {
    let key = chunkKey(series, number), found = chunks.get(key);
    if (found) { chunks.delete(key); chunks.set(key, found); }
    return found ? found.entries : null;
  }

  MKISO.manifest = content => { arrived.set("manifest", content); };
  MKISO.series = (series, content) => { arrived.set(series, content); };
  MKISO.chunk = (series, number, entries) => { arrived.set(chunkKey(series, number), entries); };

  return {
    file: file, chunk: chunk, chunkTask: chunkTask, next: next,
    failure: (series, number) => failed.get(chunkKey(series, number)),
    /* Another chance for what could not be read of a series; `number` is read anew even if it is here. */
    forget: (series, number) => {
      Array.from(failed.keys()).forEach(key => { if (key.indexOf(series + "/") === 0) failed.delete(key); });
      chunks.delete(chunkKey(series, number));
    },
    whenIdle: give => { idle = give; },
    counts: () => ({ loads: loads, chunks: chunks.size, scripts: document.head.querySelectorAll("script").length })
  };
})();
