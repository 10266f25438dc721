/* Puts the parts together: what is chosen, which window is active, and what each button does. */
MKISO.app = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, stage = MKISO.stage, root = null, status = null, statusTimer = 0;
  let state = { tool: "window", layout: 1, linked: true, text: true, overlays: true, mpr: false, canMpr: false, list: true };
  let updating = false;

  /* --- what windows, tools and keys ask for --- */

  let app = {
    tool: () => state.tool,
    active: () => stage.active(),
    isOn: () => document.documentElement.classList.contains("viewer-on"),
    showsText: () => state.text,
    showsOverlays: () => state.overlays,
    dialogIsOpen: () => !!root.querySelector(".dialog"),
    closeDialog: () => { MKISO.help.close(); },
    say: text => { clearTimeout(statusTimer); say(text); },

    activated: viewport => {
      if (viewport === stage.active()) return;
      stage.activate(viewport);
      later();
    },
    changed: viewport => { if (viewport === stage.active()) announce(viewport); later(); },
    drawn: () => { ready(); },

    open: (entry, index) => {
      let viewport = stage.active();
      if (state.mpr) { MKISO.mpr.stop(app); viewport = stage.active(); }
      MKISO.cine.stop(viewport);
      if (root.classList.contains("narrow")) showList(false);
      return viewport.open(entry, index).then(() => { defaultTool(viewport); later(); });
    },
    showReference: (reference, entry, from) => {
      MKISO.disc.resolve(reference).then(list => {
        let target = state.layout === 2 ? stage.ordinary().find(each => each !== from) : from;
        stage.activate(target);
        return target.open(entry).then(() => {
          let index = target.frames.findIndex(frame => list.length && frame.key === list[0].key);
          if (index > 0) target.go(index);
        });
      });
    },

    scrolled: (viewport, steps) => {
      let before = viewport.wanted;
      viewport.go(before + steps);
      follow(viewport, viewport.wanted - before);
    },
    went: (viewport, index) => { app.scrolled(viewport, index - viewport.wanted); },
    moved: (viewport, dx, dy) => { linked(viewport).forEach(each => { each.moveBy(dx, dy); }); },
    zoomed: (viewport, factor, point) => { linked(viewport).forEach(each => { each.zoomBy(factor, each === viewport ? point : undefined); }); },
    windowed: (viewport, choice) => {
      viewport.setChoice(choice);
      if (state.mpr) stage.shown().forEach(each => { if (each !== viewport) each.setChoice(choice); });
    },
    crossed: (viewport, point) => { MKISO.mpr.cross(viewport, point, app); },
    maximize: viewport => { stage.maximize(viewport); },
    preset: number => {
      let list = MKISO.toolbar.presets(stage.active());
      if (list[number - 1]) app.windowed(stage.active(), list[number - 1].choice);
    },
    neighbour: step => {
      let entries = MKISO.disc.entries(), next = entries[entries.indexOf(stage.active().entry) + step];
      if (next && !state.mpr) app.open(next);
    },
    escape: () => {
      let viewport = stage.active();
      if (viewport.draft) { viewport.draft = null; viewport.draw(); } else if (MKISO.annotations.selected()) MKISO.annotations.select(null);
      else setTool("window");
    },
    press: (name, button) => { (ACTIONS[name] || (() => { setTool(name); }))(stage.active(), button || MKISO.toolbar.button(name)); },
    setState: (name, value) => { state[name] = value; later(); },
    state: () => state
  };

  function linked(viewport) {
    let together = state.linked && (state.layout === 2) && !state.mpr;
    return together ? stage.shown().filter(each => each.hasImages()) : [viewport];
  }

  function follow(viewport, steps) {
    if (!state.linked || !steps || state.mpr) return;
    stage.shown().forEach(other => {
      if (other === viewport || !other.hasImages()) return;
      let index = MKISO.sync.follow(viewport, other, steps);
      if (index >= 0 && index !== other.wanted) other.go(index);
    });
  }

  function setTool(name) {
    state.tool = name;
    stage.shown().forEach(viewport => {
      viewport.draft = viewport.cursor = null;
      viewport.element.setAttribute("data-mode", name);
      viewport.draw();
    });
    later();
  }

  /* A finger scrolls; a mouse has its wheel for that. */
  function defaultTool(viewport) {
    let coarse = window.matchMedia && window.matchMedia("(pointer: coarse)").matches;
    let wanted = viewport.frames.length > 1 && coarse ? "scroll" : "window";
    if (state.tool === "window" || state.tool === "scroll") setTool(wanted);
  }

  /* --- buttons --- */

  let ACTIONS = {
    presets: (viewport, button) => {
      MKISO.menu.show(button, MKISO.toolbar.presets(viewport).map((each, index) => ({
        text: each.name, hint: index < 9 ? index + 1 : "", checked: JSON.stringify(each.choice) === JSON.stringify(viewport.choice) || (index === 0 && !viewport.choice),
        run: () => { app.windowed(viewport, each.choice); }
      })));
    },
    erase: viewport => {
      let chosen = MKISO.annotations.selected();
      if (chosen) MKISO.annotations.remove(chosen);
      else if (viewport.frame()) MKISO.annotations.clear(viewport.frame());
    },
    invert: viewport => { if (viewport.voi()) viewport.invert(); },
    rotate: viewport => { if (viewport.frame()) viewport.rotate(); },
    flip: viewport => { if (viewport.frame()) viewport.flip(); },
    fit: viewport => { viewport.fit(); later(); },
    reset: viewport => { if (viewport.frame()) viewport.resetView(); },
    cine: viewport => {
      if (MKISO.cine.isPlaying(viewport)) MKISO.cine.stop(viewport);
      else MKISO.cine.start(viewport, app, state.rate);
    },
    rate: (viewport, button) => {
      let own = MKISO.cine.rateOf(viewport.frames[0]);
      MKISO.menu.show(button, [null, 1, 2, 5, 10, 15, 20, 25, 30, 50].map(rate => ({
        text: rate ? words.text("rate", { n: rate }) : words.text("rate.own", { n: words.number(own, own < 10 ? 1 : 0) }), checked: (state.rate || null) === rate,
        run: () => { state.rate = rate; MKISO.cine.setRate(viewport, rate); }
      })));
    },
    compare: () => { setLayout(state.layout === 2 && !state.mpr ? 1 : 2); },
    link: () => { state.linked = !state.linked; later(); },
    mpr: viewport => { MKISO.mpr.toggle(viewport, app); },
    keys: (viewport, button) => {
      MKISO.menu.show(button, MKISO.disc.entries().filter(entry => entry.references).map(entry => ({
        text: (entry.key.title || words.text("kind.key_objects")) + " (" + entry.references.length + ")", checked: viewport.entry === entry, run: () => { app.open(entry); }
      })));
    },
    nextkey: viewport => {
      let count = viewport.frames.length, step;
      for (step = 1; step <= count; step++) {
        if (MKISO.disc.isKey(viewport.frames[(viewport.wanted + step) % count])) { app.went(viewport, (viewport.wanted + step) % count); return; }
      }
    },
    states: (viewport, button) => {
      let list = [{ text: words.text("presentation.none"), checked: !viewport.presentation, run: () => { viewport.usePresentation("none"); } }];
      viewport.presentationsOf(viewport.frame()).forEach((each, index) => {
        list.push({ text: each.label || words.text("presentation.number", { n: index + 1 }), checked: viewport.presentation === each, run: () => { viewport.usePresentation(each); } });
      });
      MKISO.menu.show(button, list);
    },
    text: () => {
      state.text = !state.text;
      state.overlays = state.text;
      stage.shown().forEach(viewport => { viewport.draw(); });
      later();
    },
    save: (viewport, button) => { MKISO.save.menu(viewport, button); },
    print: viewport => { MKISO.save.print(viewport); },
    help: () => { MKISO.help.show(root); },
    full: () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else if (root.requestFullscreen) root.requestFullscreen().catch(() => {});
    },
    contents: () => { location.hash = "#contents"; },
    list: () => { showList(!state.list); },
    language: (viewport, button) => {
      MKISO.menu.show(button, words.languages().map(code => ({ text: MKISO.locales[code].language, checked: words.language() === code, run: () => { words.use(code); } })));
    }
  };

  function setLayout(count) {
    if (state.mpr) MKISO.mpr.stop(app);
    state.layout = count;
    stage.arrange(count);
    let second = stage.ordinary()[1];
    if (count === 2 && !second.entry) {
      let entries = MKISO.disc.entries().filter(each => each.kind === "image"), first = stage.ordinary()[0].entry;
      let next = entries[entries.indexOf(first) + 1] || entries[0];
      if (next) second.open(next);
    }
    later();
  }

  function showList(on) {
    state.list = on;
    root.classList.toggle("list-on", on);
    later();
  }

  /* --- what changes with the active window --- */

  function later() {
    if (updating) return;
    updating = true;
    requestAnimationFrame(() => {
      updating = false;
      update();
    });
  }

  function update() {
    let viewport = stage.active(), shown = stage.shown();
    state.canMpr = MKISO.mpr.isPossible(viewport);
    MKISO.toolbar.update(state, viewport);
    MKISO.sidebar.mark(shown.map(each => each.entry), viewport.entry);
    MKISO.banner.update(viewport.entry);
    shown.forEach(each => {
      let lines = state.mpr ? MKISO.mpr.linesFor(each) : shown.length > 1 && state.linked ? MKISO.sync.linesFor(each, shown) : [];
      if (JSON.stringify(lines) !== JSON.stringify(each.lines)) {
        each.lines = lines;
        each.draw();
      }
      each.element.setAttribute("aria-label", labelOf(each));
    });
  }

  function labelOf(viewport) {
    if (!viewport.entry) return words.text("viewport.empty");
    let title = MKISO.cornerText.seriesTitle(viewport.entry);
    if (!viewport.frame()) return title;
    return title + ", " + words.text("image.number", { n: viewport.shown + 1, count: viewport.frames.length });
  }

  /* For those who hear the page: after the scrolling has come to rest. */
  function announce(viewport) {
    clearTimeout(statusTimer);
    statusTimer = setTimeout(() => { say(labelOf(viewport)); }, 500);
  }

  function say(text) { if (status.textContent !== text) status.textContent = text; }

  function ready() {
    let viewport = stage.active();
    if (viewport.frame() && window.performance && performance.mark && !performance.getEntriesByName("first image").length) performance.mark("first image");
    if (viewport.frame() || !viewport.panel.hidden || !viewport.message.hidden) document.documentElement.setAttribute("data-viewer", "ready");
  }

  app.attach = function (element, live) { root = element; status = live; };
  app.showList = showList;
  app.setTool = setTool;
  app.later = later;
  app.stage = stage;
  return app;
})();
