/* What mouse, fingers and keys do. */
MKISO.help = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, open = null, before = null;
  let KEYS = [
    ["↑ ↓", "scroll"], ["Home End", "ends"], ["PgUp PgDn", "series"], ["1 … 9", "presets"], ["Shift ← → ↑ ↓", "windowkeys"],
    ["Ctrl ← → ↑ ↓", "pan"], ["+ −", "zoom"], ["0", "actual"], ["F", "fit"], ["R", "reset"], ["I", "invert"], ["T X", "turn"],
    ["W S Z P", "tools"], ["D A E V", "measure"], ["Enter", "place"], ["Del", "erase"], ["Space", "cine"], ["C", "compare"], ["L", "link"],
    ["M", "mpr"], ["K", "key"], ["O", "text"], ["B", "list"], ["G", "full"], ["Esc", "escape"]
  ];
  let MOUSE = ["left", "right", "middle", "wheel", "double", "touch1", "touch2"];

  function show(root) {
    if (open) { close(); return; }
    before = document.activeElement;
    let table = dom.make("table", {}, KEYS.map(row => dom.make("tr", {}, [dom.make("th", { scope: "row" }, row[0].split(" ").map(key => dom.make("kbd", {}, key))), dom.make("td", {}, words.text("help." + row[1]))])));
    let mouse = dom.make("table", {}, MOUSE.map(name => dom.make("tr", {}, [dom.make("th", { scope: "row" }, words.text("mouse." + name)), dom.make("td", {}, words.text("mouse." + name + ".does"))])));
    let shut = dom.make("button.tool", { type: "button", "aria-label": words.text("close"), onclick: close }, dom.icon("close"));
    let box = dom.make("div.box", { role: "dialog", "aria-modal": "true", "aria-label": words.text("tool.help"), tabindex: "-1" }, [
      dom.make("div.head", {}, [dom.make("h2", {}, words.text("tool.help")), shut]),
      dom.make("div.columns", {}, [dom.make("div", {}, [dom.make("h3", {}, words.text("help.mouse")), mouse, about()]), dom.make("div", {}, [dom.make("h3", {}, words.text("help.keys")), table])])
    ]);
    open = dom.make("div.dialog", {}, box);
    open.addEventListener("click", event => { if (event.target === open) close(); });
    open.addEventListener("keydown", event => { if (event.key === "Tab") { event.preventDefault(); shut.focus(); } });
    root.append(open);
    shut.focus();
  }

  function about() {
    let manifest = MKISO.disc.manifest();
    return dom.make("div.about", {}, [
      dom.make("h3", {}, words.text("help.about")), dom.make("p", {}, words.text("about.lossless")), dom.make("p", {}, words.text("about.device")),
      dom.make("p", {}, words.text("about.private")), dom.make("p.small", {}, dom.isolated([manifest.program, manifest.volume_id, manifest.made_on].filter(Boolean).join(" · ")))
    ]);
  }

  function close() {
    if (!open) return;
    open.remove();
    open = null;
    if (before && before.focus) before.focus();
  }

  return { show: show, close: close };
})();
