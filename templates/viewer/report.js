/* Structured reports as text to be read (docs/viewer-format.md, 8.3; PS3.3 C.17.3). */
MKISO.report = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, panels = MKISO.panels;

  function show(viewport, entry, instance) {
    let report = instance.report || {}, paper = dom.make("article.paper", { tabindex: "0" });
    paper.append(dom.make("h2", {}, dom.isolated(report.title || words.text("report.title"))));
    paper.append(stateOf(report));
    (report.observers || []).forEach(each => {
      paper.append(dom.make("p.small", {}, [words.text("report.verified") + " ", dom.isolated([each.name, each.organization, each.time].filter(Boolean).join(", "))]));
    });
    if (report.cut) paper.append(dom.make("p.warn", {}, words.text("report.cut")));
    (report.content || []).forEach(node => { append(paper, node, 3, viewport); });
    viewport.panel.append(paper);
  }

  function stateOf(report) {
    let parts = [report.created, report.completion, report.verification].filter(Boolean).map(each => {
      let key = "report." + each;
      return words.has(key) ? words.text(key) : each;
    });
    if (report.predecessors) parts.push(words.text("report.predecessors"));
    let unsure = report.verification !== "VERIFIED" || report.completion === "PARTIAL";
    return dom.make(unsure ? "p.small.warn" : "p.small", {}, dom.isolated(parts.join(" · ")));
  }

  /* A container is a heading with what it holds; everything else a line "name: value". */
  function append(parent, node, depth, viewport) {
    let type = node.type;
    if (type === "CONTAINER") {
      let part = dom.make("section.part");
      if (node.name) part.append(dom.make("h" + Math.min(6, depth), {}, dom.isolated(node.name)));
      children(part, node, depth + 1, viewport);
      parent.append(part);
      return;
    }
    let line = dom.make(type === "TEXT" ? "div.item.text" : "div.item");
    if (node.name) line.append(dom.make("span.name", {}, [dom.isolated(node.name), ": "]));
    let value = valueOf(node);
    if (value) line.append(dom.make("span.value.lines", {}, dom.isolated(value)));
    (node.references || []).forEach(each => { line.append(" ", panels.imageLink(viewport, each)); });
    parent.append(line);
    if ((node.children || []).length) {
      let inner = dom.make("div.inner");
      children(inner, node, depth, viewport);
      parent.append(inner);
    }
  }

  function children(parent, node, depth, viewport) {
    (node.children || []).forEach(child => { append(parent, child, depth, viewport); });
  }

  function valueOf(node) {
    if (node.graphic) return node.graphic.toLowerCase() + (node.points ? " (" + node.points.length / 2 + ")" : "");
    if (node.refers_to) return "→ " + node.refers_to.join(".");
    return [node.value, node.unit, node.qualifier && "(" + node.qualifier + ")"].filter(each => each !== undefined && each !== "").join(" ");
  }

  panels.PANELS.report = show;
  panels.PANELS.key_objects = show;
  return { show: show };
})();
