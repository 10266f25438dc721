/* The list of studies and series with their pictures. */
MKISO.sidebar = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, cornerText = MKISO.cornerText, list = null, buttons = new Map(), marked = null;
  let ICON_OF = { report: "document", document: "document", video: "video", waveform: "wave", key_objects: "key", presentation_state: "layers", none: "warning" };

  function build(app) {
    list = dom.make("nav.series-list", { "aria-label": words.text("series.list") });
    buttons.clear();
    marked = null;
    let study = null, patient = null;
    MKISO.disc.entries().forEach(entry => {
      let owner = MKISO.disc.patientOf(entry.study);
      if (owner !== patient && (MKISO.disc.manifest().patients || []).length > 1) list.append(dom.make("h2", {}, dom.isolated(cornerText.nameOf(owner))));
      if (entry.study !== study) list.append(studyTitle(entry.study));
      patient = owner;
      study = entry.study;
      list.append(itemOf(entry, app));
    });
    return list;
  }

  function studyTitle(study) {
    return dom.make("h3", {}, [
      dom.make("span.date", {}, dom.isolated(study.date || words.text("date.none"))),
      dom.make("span", {}, dom.isolated(study.description || (study.modalities || []).join(", ")))
    ]);
  }

  function countText(entry) {
    if (entry.references) return words.count("key.images", entry.references.length);
    if (entry.kind === "image") return words.count("images", entry.stack.frames);
    return words.text("kind." + entry.kind) + (entry.others.length ? " (" + (entry.others.length + 1) + ")" : "");
  }

  function itemOf(entry, app) {
    let series = entry.series, title = entry.references ? entry.key.title || words.text("kind.key_objects")
      : entry.stack.title || series.description || MKISO.disc.labelOf(entry) || series.body_part || words.text("series.unnamed");
    let button = dom.make(entry.kind === "image" ? "button.item" : "button.item.plain", { type: "button", draggable: "true", "data-entry": entry.id, onclick: () => { app.open(entry); } }, [
      pictureOf(entry),
      dom.make("span.words", {}, [
        dom.make("span.title", {}, dom.isolated(title)),
        dom.make("span.sub", {}, [dom.make("b", {}, dom.isolated(series.modality || "")), " ", countText(entry), series.number ? " · #" + series.number : ""]),
        series.preview && entry.kind === "image" ? dom.make("span.flag", {}, words.text("badge.preview")) : null
      ])
    ]);
    button.addEventListener("dragstart", event => { event.dataTransfer.setData("text/plain", entry.id); });
    buttons.set(entry, button);
    return button;
  }

  function pictureOf(entry) {
    let source = entry.stack.thumbnail;
    let box = dom.make("span.picture", { "aria-hidden": "true" });
    if (typeof source === "string" && source.indexOf("data:image/") === 0) box.append(dom.make("img", { src: source, alt: "", loading: "lazy" }));
    else box.append(dom.icon(entry.references ? "key" : ICON_OF[entry.kind] || "disc"));
    return box;
  }

  function mark(shown, active) {
    let wanted = shown.concat([active]);
    if (marked && marked.length === wanted.length && wanted.every((each, index) => each === marked[index])) return;
    marked = wanted;
    buttons.forEach((button, entry) => {
      button.classList.toggle("shown", shown.some(each => each && (each === entry || each.origin === entry)));
      if (entry === active || (active && active.origin === entry)) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    let button = buttons.get(active);
    if (button && button.scrollIntoView && list.offsetParent) button.scrollIntoView({ block: "nearest" });
  }

  return { build: build, mark: mark };
})();
