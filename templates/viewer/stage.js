/* The windows side by side: one, two, or the three planes of a volume. */
MKISO.stage = (function () {
  "use strict";
  let dom = MKISO.dom, viewports = [], element = null, active = null, maximized = null;

  function build(app) {
    element = dom.make("main.stage", { "aria-label": MKISO.words.text("stage") });
    viewports = [1, 2].map(number => make(number, app));
    active = viewports[0];
    arrange(1);
    return element;
  }

  function make(number, app) {
    let viewport = new MKISO.Viewport(number, app);
    MKISO.tools.attach(viewport, app);
    viewport.element.addEventListener("dragover", event => { event.preventDefault(); });
    viewport.element.addEventListener("drop", event => {
      event.preventDefault();
      let entry = MKISO.disc.entries().find(each => each.id === event.dataTransfer.getData("text/plain"));
      if (!entry) return;
      activate(viewport);
      app.open(entry);
    });
    return viewport;
  }

  /* Puts `count` of the two ordinary windows, or the given ones, upon the stage. */
  function arrange(count, others) {
    let shown = others || viewports.slice(0, count);
    Array.from(element.children).forEach(child => { child.remove(); });
    viewports.forEach(viewport => { if (shown.indexOf(viewport) < 0) MKISO.frames.hide(viewport); });
    shown.forEach(viewport => {
      element.append(viewport.element);
      viewport.resize();
      if (viewport.frames.length) viewport.go(viewport.wanted);
    });
    element.setAttribute("data-count", shown.length);
    maximized = null;
    element.classList.remove("maximized");
    if (shown.indexOf(active) < 0) activate(shown[0]);
    else activate(active);
    return shown;
  }

  function shown() { return all().filter(viewport => viewport.element.parentNode === element); }
  function all() { return viewports.concat(MKISO.mpr ? MKISO.mpr.viewports() : []); }

  function activate(viewport) {
    active = viewport;
    let several = element.children.length > 1;
    all().forEach(each => { each.element.classList.toggle("active", several && each === viewport); });
  }

  function maximize(viewport) {
    if (element.children.length < 2) { viewport.fit(); return; }
    maximized = maximized ? null : viewport;
    element.classList.toggle("maximized", !!maximized);
    all().forEach(each => { each.element.classList.toggle("largest", each === maximized); });
  }

  return { build: build, make: make, arrange: arrange, shown: shown, activate: activate, maximize: maximize,
    active: () => active, ordinary: () => viewports };
})();
