/* What is no image: documents, films, and tiles that say why something cannot be shown. */
MKISO.panels = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words;

  function reasonText(reason) {
    if (!reason) return words.text("reason.unknown");
    let key = "reason." + reason.code, text = words.text(words.has(key) ? key : "reason.unknown");
    return reason.text ? text + " (" + reason.text + ")" : text;
  }

  function show(viewport, entry, instance) {
    let draw = PANELS[entry.kind] || none;
    viewport.panel.hidden = false;
    draw(viewport, entry, instance || {});
  }

  function none(viewport, entry, instance) {
    let more = entry.others.map(stack => stack.file).filter(Boolean);
    viewport.panel.hidden = true;
    viewport.say(reasonText(instance.reason || entry.stack.reason), { file: instance.file || entry.stack.file });
    if (more.length) viewport.message.append(dom.make("p.file", {}, [dom.make("code", {}, more.slice(0, 12).join("  ") + (more.length > 12 ? " …" : ""))]));
  }

  function link(file, text, type) {
    return dom.make("a.button", { href: file, target: "_blank", rel: "noopener", type: type }, text);
  }

  function caption(viewport, entry, title) {
    viewport.panel.append(dom.make("h2", {}, dom.isolated(title || MKISO.cornerText.seriesTitle(entry))));
  }

  function pdf(viewport, entry, instance) {
    let given = instance.document || {};
    caption(viewport, entry, given.title);
    if (given.paragraphs) {
      viewport.panel.append(dom.make("div.paper", {}, given.paragraphs.map(each => dom.make("p.lines", {}, dom.isolated(each)))));
      return;
    }
    viewport.panel.append(dom.make("p", {}, [link(given.file, words.text("document.open"), given.mime_type)]));
    if (given.mime_type === "application/pdf") {
      viewport.panel.classList.add("full");
      viewport.panel.append(dom.make("iframe", { src: given.file, title: given.title || words.text("document.title") }));
    }
  }

  function video(viewport, entry, instance) {
    let given = instance.video || {};
    let film = dom.make("video", { controls: true, preload: "metadata", src: given.file, playsinline: true });
    caption(viewport, entry, given.title);
    film.addEventListener("error", () => {
      film.remove();
      viewport.panel.append(dom.make("p.warn", {}, words.text("video.failed")));
    });
    viewport.panel.classList.add("full");
    viewport.panel.append(film, dom.make("p", {}, [link(given.file, words.text("video.open"), given.mime_type)]));
  }

  function presentationState(viewport, entry, instance) {
    let state = instance.presentation_state || {}, references = (state.references || []).filter(each => each.at);
    caption(viewport, entry, state.label || words.text("presentation.title"));
    if (state.description) viewport.panel.append(dom.make("p", {}, dom.isolated(state.description)));
    viewport.panel.append(dom.make("p", {}, [state.created, state.creator].filter(Boolean).join(" · ")));
    viewport.panel.append(dom.make("p", {}, words.text(references.length ? "presentation.where" : "presentation.absent")));
    references.slice(0, 50).forEach(each => { viewport.panel.append(imageLink(viewport, each)); });
    if ((state.not_shown || []).length) {
      viewport.panel.append(dom.make("p.warn", {}, words.text("badge.notshown", { what: state.not_shown.join(", ") })));
    }
  }

  /* A button that shows the image a report or a state speaks of. */
  function imageLink(viewport, reference) {
    let entry = MKISO.disc.find(reference);
    if (!entry) return dom.make("span.absent", {}, words.text("reference.absent"));
    let title = MKISO.cornerText.seriesTitle(entry), place = MKISO.disc.placeIn(entry, reference);
    if (place >= 0 && entry.stack.instances > 1) title += " · " + words.text("image.number", { n: place + 1, count: entry.stack.instances });
    return dom.make("button.link", { type: "button", onclick: () => { viewport.host.showReference(reference, entry, viewport); } },
      [dom.icon("layers"), " ", dom.isolated(title + (reference.frames ? " · " + reference.frames.join(", ") : ""))]);
  }

  let PANELS = { document: pdf, video: video, presentation_state: presentationState, none: none };

  return { show: show, reasonText: reasonText, caption: caption, imageLink: imageLink, PANELS: PANELS };
})();
