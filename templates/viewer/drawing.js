/* How a window draws: once a frame of the screen at most, what is painted already only moved. */
(function (my) {
  "use strict";
  let display = MKISO.display, view = MKISO.view;
  let LARGE = 2e6; /* pixels: more are painted in slices */

  my.resize = function () {
    this.box = null;
    let size = this.size(), scale = window.devicePixelRatio || 1;
    [this.imageCanvas, this.graphicsCanvas].forEach(canvas => {
      canvas.width = Math.round(size[0] * scale);
      canvas.height = Math.round(size[1] * scale);
    });
    this.element.classList.toggle("small", size[0] < 440 || size[1] < 400);
    if (this.fitted) this.fit();
    this.drawNow();
  };

  my.draw = function () {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => { this.drawNow(); });
  };

  my.shot = function () {
    let frame = this.frame(), picture = this.picture();
    if (!frame || !picture) return null;
    let state = this.state();
    return {
      frame: frame, picture: picture, chain: display.chainOf(frame, picture, state), view: this.view,
      aspect: this.aspect(), size: this.size(), presentation: state.presentation,
      showOverlays: this.host.showsOverlays(), lines: this.lines, draft: this.draft, cursor: this.cursor,
      smooth: this.smooth, redraw: () => { this.draw(); }
    };
  };

  /* Paints what is not painted yet. A large image comes from every second to fourth pixel at first,
     so that window and scrolling stay smooth, and whole a moment later. */
  my.paint = function (shot) {
    let key = MKISO.render.keyFor(shot.picture, shot.frame, shot.chain);
    if (this.paintedKey === key || shot.picture.bitmap) {
      shot.source = shot.picture.bitmap || this.pixels;
      return;
    }
    if (shot.frame.rows * shot.frame.columns <= LARGE) {
      shot.source = MKISO.render.paint(shot.picture, shot.frame, shot.chain, this.pixels, 1);
      this.paintedKey = key;
      this.paintingKey = null;
      return;
    }
    let scale = this.view.scale * (window.devicePixelRatio || 1);
    shot.step = Math.max(2, Math.min(4, Math.floor(1 / scale)));
    shot.source = MKISO.render.paint(shot.picture, shot.frame, shot.chain, this.rough, shot.step);
    if (!this.busy && this.paintingKey !== key) this.paintWhole(shot, key);
  };

  my.paintWhole = function (shot, key) {
    this.paintingKey = key;
    this.paintedKey = null;
    MKISO.render.paintSlowly(shot.picture, shot.frame, shot.chain, this.pixels, () => this.paintingKey === key, () => {
      this.paintedKey = key;
      this.paintingKey = null;
      this.draw();
    });
  };

  my.drawNow = function () {
    this.drawing = false;
    let scale = window.devicePixelRatio || 1, shot = this.shot();
    function fresh(canvas) {
      let context = canvas.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.setTransform(scale, 0, 0, scale, 0, 0);
      return context;
    }
    let image = fresh(this.imageCanvas), isBare = !shot || MKISO.scene.isBare(shot);
    if (shot) {
      this.paint(shot);
      MKISO.scene.image(image, shot);
    }
    /* nothing lies upon most images: then the second canvas, as large as the first, stays as it is */
    if (!isBare || !this.wasBare) {
      let graphics = fresh(this.graphicsCanvas);
      if (!isBare) MKISO.scene.graphics(graphics, shot);
    }
    this.wasBare = isBare;
    MKISO.cornerText.show(this);
    MKISO.ruler.show(this);
    this.showReadout();
    this.placeThumb();
    this.host.drawn(this);
  };

  /* What lies under the mouse, also when the image below it has changed. */
  my.showReadout = function () {
    let frame = this.frame(), picture = this.pointer ? this.picture() : null;
    let text = frame && picture ? MKISO.tools.readoutOf(this, frame, picture, this.toImage(this.pointer)) : "";
    if (this.readout.textContent !== text) this.readout.textContent = text;
  };

  my.placeThumb = function () {
    let count = this.frames.length;
    this.track.hidden = count < 2;
    if (count < 2) return;
    let share = Math.max(0.04, 1 / count);
    this.thumb.style.height = 100 * share + "%";
    this.thumb.style.top = 100 * (1 - share) * this.wanted / (count - 1) + "%";
  };

  my.toImage = function (point) {
    let frame = this.frame();
    return view.toImage(view.matrixOf(this.view, frame, this.aspect(), this.size()), point[0], point[1]);
  };

  my.matrix = function () { return view.matrixOf(this.view, this.frame(), this.aspect(), this.size()); };
})(MKISO.Viewport.prototype);
