/* Begins: words, manifest, page. Until the first image is there the page of contents stays; when
   something is missing it stays for good, with a sentence that says why. */
MKISO.start = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, app = MKISO.app, host = null, built = false;
  let NEEDED = [["Promise", window.Promise], ["canvas", window.CanvasRenderingContext2D], ["Map", window.Map], ["Intl", window.Intl]];

  /* The line of the page of contents that speaks when the viewer does not come up. */
  function explain(key, values) {
    let place = document.getElementById("viewer-note");
    if (!place) {
      place = dom.make("p", { id: "viewer-note", role: "alert" });
      document.body.prepend(place);
    }
    place.hidden = false;
    place.textContent = words.text(key, values);
    document.documentElement.setAttribute("data-viewer", "failed");
  }

  function begin() {
    words.use(words.choose(navigator.languages || [navigator.language]));
    let missing = NEEDED.filter(each => !each[1]).map(each => each[0]);
    if (missing.length) { explain("start.old", { what: missing.join(", ") }); return; }
    MKISO.loader.file("VIEWER/MANIFEST.JS", "manifest").then(take).catch(error => {
      explain(error.message === "missing" ? "start.missing" : error.message === "format" ? "start.format" : "start.damaged");
    });
  }

  function take(content) {
    if (content.format !== MKISO.format) throw new Error("format");
    let entries = MKISO.disc.take(content);
    if (!entries.length) { explain("start.empty"); return; }
    let note = document.getElementById("viewer-note");
    if (note) note.hidden = true;
    Array.from(document.querySelectorAll("[data-viewer-link]")).forEach(link => { link.hidden = false; });
    build();
    window.addEventListener("hashchange", turn);
    turn();
    let first = entries.find(entry => entry.kind === "image") || entries[0];
    app.open(first);
  }

  /* #contents shows the page of contents, everything else the images. */
  function turn() {
    let on = location.hash !== "#contents";
    document.documentElement.classList.toggle("viewer-on", on);
    Array.from(document.styleSheets).forEach(sheet => {
      let own = /VIEWER\/APP\.CSS$/.test(sheet.href || "");
      sheet.disabled = own ? false : on;
    });
    host.hidden = !on;
    if (on) window.dispatchEvent(new Event("resize"));
  }

  function build() {
    document.documentElement.lang = words.language();
    host = document.getElementById("viewer");
    if (!host) {
      host = dom.make("div", { id: "viewer" });
      document.body.append(host);
    }
    let status = dom.make("div.unseen", { role: "status", "aria-live": "polite" });
    app.attach(host, status);
    fill(status);
    if (!built) {
      MKISO.keys.attach(app);
      words.onChange(() => { document.documentElement.lang = words.language(); fill(status); });
      MKISO.frames.onFrame(frame => {
        app.stage.shown().forEach(viewport => { if (viewport.wantedFrame() === frame) viewport.refresh(); });
      });
      MKISO.annotations.onChange(() => { app.stage.shown().forEach(viewport => { viewport.draw(); }); app.later(); });
      narrowness();
    }
    built = true;
  }

  /* All words anew; windows and what is open in them stay. */
  function fill(status) {
    let main = built ? host.querySelector(".stage") : MKISO.stage.build(app);
    dom.clear(host).append(
      MKISO.banner.build(app),
      dom.make("div.middle", {}, [MKISO.sidebar.build(app), dom.make("div.shade", { onclick: () => { app.showList(false); } }), main]),
      MKISO.banner.notice(), status
    );
    if (built) app.stage.shown().forEach(viewport => { viewport.resize(); if (viewport.entry && !viewport.hasImages()) viewport.open(viewport.entry); });
    app.later();
  }

  function narrowness() {
    let query = window.matchMedia("(max-width: 760px)");
    function apply() {
      host.classList.toggle("narrow", query.matches);
      app.showList(!query.matches);
    }
    apply();
    if (query.addEventListener) query.addEventListener("change", apply);
    else query.addListener(apply);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
  return { explain: explain };
})();
