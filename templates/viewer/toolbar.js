/* The buttons above the images. Each is a line: name (and icon), key, what it does, when it is lit. */
MKISO.toolbar = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, display = MKISO.display, buttons = {};

  /* kind: tool (one of several is on), switch (on or off), menu, do. */
  let ROWS = [
    ["cross", "tool", "n"], ["window", "tool", "w"], ["presets", "menu", "", "down"], ["scroll", "tool", "s"], ["zoom", "tool", "z"], ["pan", "tool", "p"], null,
    ["distance", "tool", "d"], ["angle", "tool", "a"], ["ellipse", "tool", "e"], ["probe", "tool", "v"], ["erase", "do", "Del", "trash"], null,
    ["invert", "switch", "i"], ["rotate", "do", "t"], ["flip", "do", "x"], ["fit", "do", "f"], ["reset", "do", "r"], null,
    ["cine", "switch", "Space"], ["rate", "menu", "", "down"], ["compare", "switch", "c"], ["link", "switch", "l"], ["mpr", "switch", "m"], null,
    ["keys", "menu", "k", "key"], ["states", "menu", "", "layers"], ["text", "switch", "o"], ["save", "menu", ""], ["print", "do", "Ctrl P"]
  ];

  function build(app) {
    let bar = dom.make("div.toolbar", { role: "toolbar", "aria-label": words.text("toolbar") });
    buttons = {};
    ROWS.forEach(row => {
      if (!row) { bar.append(dom.make("span.gap")); return; }
      let button = makeButton(row[0], row[3] || row[0], row[2], () => { app.press(row[0], button); });
      if (row[1] === "menu") {
        button.setAttribute("aria-haspopup", "menu");
        button.setAttribute("aria-expanded", "false");
      }
      if (row[3] === "down") button.classList.add("narrow");
      buttons[row[0]] = button;
      bar.append(button);
    });
    return bar;
  }

  function makeButton(name, icon, key, run) {
    let label = words.text("tool." + name), title = key ? label + " (" + key + ")" : label;
    return dom.make("button.tool", { type: "button", title: title, "aria-label": label, "data-tool": name, "aria-keyshortcuts": key || undefined, onclick: run }, dom.icon(icon));
  }

  function light(name, on) {
    if (buttons[name]) buttons[name].setAttribute("aria-pressed", String(!!on));
  }

  function allow(name, on) { if (buttons[name]) buttons[name].disabled = !on; }

  function hide(name, on) { if (buttons[name]) buttons[name].hidden = on; }

  /* state: {tool, layout, linked, text, mpr}; viewport: the active one. */
  function update(state, viewport) {
    let frame = viewport.frame(), grey = frame && !display.isColour(frame), picture = viewport.picture();
    let has = !!frame, many = viewport.frames.length > 1;
    ROWS.forEach(row => { if (row && row[1] === "tool") light(row[0], state.tool === row[0]); });
    light("invert", viewport.inverted);
    light("cine", MKISO.cine.isPlaying(viewport));
    light("compare", state.layout === 2 && !state.mpr);
    light("link", state.linked);
    light("mpr", state.mpr);
    light("text", state.text);
    ["zoom", "pan", "rotate", "flip", "fit", "reset", "save", "print", "distance", "angle", "ellipse", "probe"].forEach(name => { allow(name, has && (name === "zoom" || !!picture)); });
    allow("window", grey);
    allow("presets", grey);
    allow("invert", grey);
    allow("scroll", many);
    allow("cine", many);
    allow("rate", many);
    allow("link", state.layout === 2 || state.mpr);
    allow("mpr", state.mpr || state.canMpr);
    allow("erase", has && MKISO.annotations.of(frame).length > 0);
    hide("cross", !state.mpr);
    hide("states", !viewport.presentations.length);
    hide("keys", !MKISO.disc.entries().some(entry => entry.references));
    let cine = buttons.cine, playing = MKISO.cine.isPlaying(viewport);
    if (cine.playing !== playing) dom.clear(cine).append(dom.icon(playing ? "pause" : "cine"));
    cine.playing = playing;
  }

  /* Windows of the file first, then what CT is usually looked at with; 1 ... 9 on the keyboard. */
  function presets(viewport) {
    let frame = viewport.frame(), list = [];
    if (!frame || display.isColour(frame)) return list;
    let presented = viewport.presentation && display.presentedVoi(viewport.presentation, frame);
    if (presented) list.push({ choice: null, name: (viewport.presentation.label || words.text("presentation.title")) + windowText(presented) });
    display.options(frame, viewport.picture(), viewport.percentiles).forEach(option => {
      let name = option.name || words.text(option.choice.percentiles ? "window.estimated" : option.choice.usual ? "preset.soft" : "window.file");
      list.push({ choice: option.choice, name: name + windowText(option.voi) });
    });
    if (display.unitOf(frame) === "HU") {
      display.CT_PRESETS.filter(row => row[0] !== "soft" || !list.some(each => each.choice && each.choice.usual)).forEach(row => {
        let name = words.text("preset." + row[0]);
        list.push({ choice: { center: row[1], width: row[2], kind: "LINEAR", name: name }, name: name + windowText({ center: row[1], width: row[2] }) });
      });
    }
    return list;
  }

  function windowText(voi) {
    let short = MKISO.cornerText.short;
    return voi.table ? "" : "  " + short(voi.center) + " / " + short(voi.width);
  }

  return { build: build, update: update, presets: presets, makeButton: makeButton, button: name => buttons[name] };
})();
