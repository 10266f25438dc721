/* One window of the page: a stack of frames, which of them is shown and how; or a report, a document,
   a film, a curve, or the words that say why there is nothing. Text and image always belong together:
   until a wanted frame is there, the one before stays with its own text. */
MKISO.Viewport = (function () {
  "use strict";
  let dom = MKISO.dom, frames = MKISO.frames, display = MKISO.display, geometry = MKISO.geometry;
  let words = MKISO.words, view = MKISO.view, LOADING_AFTER_MS = 250;

  function Viewport(number, host) {
    this.number = number;
    this.host = host; /* {changed, activated}: told when something the page shows elsewhere changes */
    this.frames = [];
    this.entry = null;
    this.planes = [];
    this.lines = [];
    this.smooth = true;
    this.build();
    this.reset();
  }

  let my = Viewport.prototype;

  my.build = function () {
    this.imageCanvas = dom.make("canvas.image", { "aria-hidden": "true" });
    this.graphicsCanvas = dom.make("canvas.graphics", { "aria-hidden": "true" });
    this.pixels = document.createElement("canvas");
    this.rough = document.createElement("canvas");
    this.corners = ["tl", "tr", "bl", "br"].map(place => dom.make("div.corner." + place));
    this.edges = {};
    ["left", "right", "top", "bottom"].forEach(side => { this.edges[side] = dom.make("div.edge." + side); });
    this.message = dom.make("div.message", { role: "alert", hidden: true });
    this.loading = dom.make("div.loading", { hidden: true });
    this.panel = dom.make("div.panel", { hidden: true });
    this.readout = dom.make("div.readout", { "aria-hidden": "true" });
    this.ruler = MKISO.ruler.make();
    this.thumb = dom.make("div.thumb");
    this.track = dom.make("div.track", { hidden: true, "aria-hidden": "true" }, this.thumb);
    this.element = dom.make("section.viewport", { tabindex: "0", "data-viewport": this.number }, [
      this.imageCanvas, this.graphicsCanvas
    ].concat(this.corners, Object.keys(this.edges).map(side => this.edges[side]),
      [this.readout, this.ruler, this.track, this.loading, this.message, this.panel]));
    this.element.addEventListener("focusin", () => { this.host.activated(this); });
    this.element.addEventListener("pointerdown", () => { this.host.activated(this); }, true);
    if (window.ResizeObserver) new ResizeObserver(() => { this.resize(); }).observe(this.element);
    else window.addEventListener("resize", () => { this.resize(); });
  };

  /* --- what is shown --- */

  my.reset = function () {
    this.wanted = 0;
    this.shown = -1;
    this.direction = 1;
    this.view = { scale: 1, x: 0, y: 0, rotation: 0, flipped: false };
    this.fitted = true;
    this.choice = null;
    this.inverted = false;
    this.presentation = null;
    this.presentations = [];
    this.presentationWanted = "auto";
    this.ownView = this.syncRest = null;
    this.draft = this.cursor = null;
  };

  /* The old content goes at once, so that nobody takes it for the new one. */
  my.open = function (entry, index) {
    let opening = this.opening = {};
    this.empty();
    this.entry = entry;
    this.say("");
    this.showLoading(true);
    this.host.changed(this);
    return MKISO.disc.open(entry).then(content => {
      if (opening !== this.opening) return;
      this.showLoading(false);
      if (content.frames.length && (entry.kind === "image" || entry.references)) {
        this.showFrames(content.frames, index);
      } else MKISO.panels.show(this, entry, content.instances[0]);
      this.host.changed(this);
    }).catch(error => {
      if (opening !== this.opening) return;
      this.showLoading(false);
      this.say(words.text("index." + (words.has("index." + error.message) ? error.message : "damaged")), entry, () => { this.open(entry, index); });
      this.host.changed(this);
    });
  };

  my.empty = function () {
    frames.hide(this);
    this.frames = [];
    this.planes = [];
    this.lines = [];
    this.entry = null;
    this.reset();
    dom.clear(this.panel);
    this.panel.className = "panel";
    this.panel.hidden = true;
    this.draw();
  };

  my.showFrames = function (list, index) {
    this.frames = list;
    this.planes = list.map(frame => geometry.planeOf(frame));
    this.percentiles = display.percentilesOf(list);
    this.fitted = true;
    this.go(index === undefined ? 0 : index);
    this.loadPresentations();
  };

  my.hasImages = function () { return this.frames.length > 0; };
  my.frame = function () { return this.frames[this.shown] || null; };
  my.wantedFrame = function () { return this.frames[this.wanted] || null; };
  my.picture = function () {
    let frame = this.frame();
    return frame ? frames.peek(frame) : null;
  };

  my.go = function (index) {
    if (!this.frames.length) return;
    let next = Math.max(0, Math.min(this.frames.length - 1, Math.round(index)));
    if (next !== this.wanted) this.direction = next > this.wanted ? 1 : -1;
    this.wanted = next;
    this.draft = null;
    frames.show(this, this.frames, next, this.direction);
    this.refresh();
  };

  my.step = function (count) { this.go(this.wanted + count); };

  /* Shows the wanted frame if it is here, says so if it never will be. */
  my.refresh = function () {
    let frame = this.wantedFrame();
    if (!frame) return;
    let failure = frame.at || frame.make ? frames.failure(frame) : "none";
    let picture = failure ? null : frames.peek(frame);
    clearTimeout(this.loadingTimer);
    if (picture || failure) {
      let first = this.shown < 0, before = this.frame();
      this.shown = this.wanted;
      this.showLoading(false);
      if (picture) this.say("");
      else this.sayFailure(frame, failure);
      if (first || this.fitted || !before || before.columns !== frame.columns || before.rows !== frame.rows) this.fit();
      this.takePresentation();
      this.draw();
      this.host.changed(this);
    } else {
      this.loadingTimer = setTimeout(() => { this.showLoading(true); }, LOADING_AFTER_MS);
      this.placeThumb();
    }
  };

  my.sayFailure = function (frame, failure) {
    let reason = frame.reason;
    if (failure !== "none") {
      this.say(words.text("frame." + failure), frame, () => { frames.retry(frame); this.refresh(); });
    } else this.say(MKISO.panels.reasonText(reason), frame);
  };

  /* A tile of words in the middle: what is wrong, and which file. */
  my.say = function (text, about, again) {
    dom.clear(this.message);
    this.message.hidden = !text;
    if (!text) return;
    let file = about && (about.file || (about.stack && about.stack.file));
    this.message.append(dom.icon("warning"), dom.make("p", {}, text));
    if (file) this.message.append(dom.make("p.file", {}, [words.text("file.is") + " ", dom.make("code", {}, file)]));
    if (file && file.indexOf("DICOM/") === 0) this.message.append(dom.make("p.hint", {}, words.text("file.hint")));
    if (again) this.message.append(dom.make("button", { type: "button", onclick: again }, words.text("retry")));
  };

  my.showLoading = function (on) {
    this.loading.hidden = !on;
    this.loading.textContent = on ? words.text("loading") : "";
  };

  /* --- how it is shown --- */

  my.state = function () {
    return { choice: this.choice, inverted: this.inverted, presentation: this.presentation, percentiles: this.percentiles };
  };

  my.voi = function () {
    let frame = this.frame(), picture = this.picture();
    if (!frame || !picture || display.isColour(frame)) return null;
    return display.voiOf(frame, picture, this.state());
  };

  my.setChoice = function (choice) {
    this.choice = choice;
    this.redrawAndTell();
  };

  my.redrawAndTell = function () {
    this.draw();
    this.host.changed(this);
  };

  /* What a presentation state says about the part to be shown (PS3.3 C.10.4). */
  my.displayed = function () {
    return this.presentation ? MKISO.scene.displayedArea(this.presentation.content, this.frame()) : null;
  };

  my.area = function () { return MKISO.shapes.areaOf(this.displayed(), this.frame()); };

  my.aspect = function () {
    let given = this.displayed() || {}, pair = given.pixel_spacing || given.pixel_aspect_ratio;
    return pair && pair[0] > 0 && pair[1] > 0 ? pair[0] / pair[1] : geometry.pixelAspect(this.frame());
  };
  /* Of the window in CSS pixels; asked for often, and the browser would lay out the page each time. */
  my.size = function () {
    if (!this.box) {
      let width = this.element.clientWidth, height = this.element.clientHeight;
      if (!width || !height) return [1, 1];
      this.box = [width, height];
    }
    return this.box;
  };

  my.fit = function () {
    let frame = this.frame();
    if (!frame) return;
    let area = this.area(), given = this.displayed(), magnified = given && given.size_mode === "MAGNIFY" && given.magnification > 0;
    this.fitted = true;
    this.view.scale = magnified ? given.magnification / (window.devicePixelRatio || 1)
      : view.fitScale(area, this.aspect(), this.view.rotation, this.size());
    view.centreOn(this.view, frame, this.aspect(), [(area.left + area.right) / 2, (area.top + area.bottom) / 2]);
    this.draw();
  };

  /* One pixel of the image is one pixel of the screen. */
  my.actualSize = function () {
    if (!this.frame()) return;
    this.fitted = false;
    this.view.scale = 1 / (window.devicePixelRatio || 1);
    this.view.x = this.view.y = 0;
    this.redrawAndTell();
  };

  my.zoomBy = function (factor, point) {
    if (!this.frame()) return;
    let scale = this.view.scale * factor, size = this.size();
    if (scale > 64 || scale < 0.01) return;
    this.fitted = false;
    view.zoomAround(this.view, factor, point || [size[0] / 2, size[1] / 2], size);
    this.redrawAndTell();
  };

  my.moveBy = function (dx, dy) {
    this.fitted = false;
    this.view.x += dx;
    this.view.y += dy;
    this.redrawAndTell();
  };

  my.rotate = function () {
    this.view.rotation = (this.view.rotation + 90) % 360;
    this.fit();
    this.host.changed(this);
  };

  my.flip = function () {
    /* mirrored as it is seen on the screen, whatever the turn is */
    this.view.flipped = !this.view.flipped;
    this.view.rotation = (360 - this.view.rotation) % 360;
    this.fit();
    this.host.changed(this);
  };

  my.invert = function () {
    this.inverted = !this.inverted;
    this.redrawAndTell();
  };

  /* Back to what the file, or its presentation state, asks for. */
  my.resetView = function () {
    let turn = MKISO.view.turnOf(this.presentation ? this.presentation.content : {});
    this.choice = null;
    this.inverted = false;
    this.view.rotation = turn.rotation;
    this.view.flipped = turn.flipped;
    this.fit();
    this.redrawAndTell();
  };

  /* Reads all states of the series; then each image gets the first that means it. */
  my.loadPresentations = function () {
    let opening = this.opening, frame = this.wantedFrame();
    let list = frame && frame.series ? MKISO.disc.presentationsFor(frame.series).slice(0, 100) : [];
    return Promise.all(list.map(each => MKISO.disc.presentation(each.at).then(display.prepare).then(prepared => {
      prepared.label = each.label;
      return prepared;
    }).catch(() => null))).then(found => {
      if (opening !== this.opening) return;
      this.presentations = found.filter(Boolean);
      this.takePresentation();
      this.redrawAndTell();
    });
  };

  /* "auto": the first that means the image; "none"; or one of `presentations`. */
  my.usePresentation = function (wanted) {
    this.presentationWanted = wanted;
    this.takePresentation();
    this.redrawAndTell();
  };

  my.presentationsOf = function (frame) {
    return this.presentations.filter(each => MKISO.disc.isMeant(each.content.references, frame));
  };

  my.takePresentation = function () {
    let frame = this.frame(), wanted = this.presentationWanted, list = frame ? this.presentationsOf(frame) : [];
    let found = wanted === "none" ? null : list.indexOf(wanted) >= 0 ? wanted : list[0] || null;
    if (found === this.presentation) return;
    let own = this.ownView;
    if (!this.presentation) own = this.ownView = { choice: this.choice, inverted: this.inverted, view: Object.assign({}, this.view), fitted: this.fitted };
    this.presentation = found;
    this.resetView();
    /* beyond the image that has a state, window and place are again what the person left them at */
    if (found || !own) return;
    this.choice = own.choice;
    this.inverted = own.inverted;
    this.view = own.view;
    if (own.fitted) this.fit();
    else this.fitted = false;
    this.redrawAndTell();
  };

  return Viewport;
})();
