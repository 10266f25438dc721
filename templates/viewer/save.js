/* An image as it is seen, as a file or on paper, with or without the lines about the patient. */
MKISO.save = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, LEAST_WIDTH = 1000, LINE = 17;

  function menu(viewport, button) {
    let frame = viewport.frame(), items = [];
    if (!frame) return;
    [["png", true], ["jpeg", true], ["png", false], ["jpeg", false]].forEach(each => {
      items.push({
        text: words.text(each[1] ? "save.with" : "save.without", { format: each[0].toUpperCase() }),
        run: () => { save(viewport, each[0], each[1]); }
      });
    });
    if (frame.burned_in_annotation === "YES") items.push("line", { text: words.text("save.burned"), run: () => {} });
    MKISO.menu.show(button, items);
  }

  /* A canvas of the window's own proportions. */
  function picture(viewport, withPatient) {
    let shot = viewport.shot(), size = shot.size, canvas = document.createElement("canvas");
    let scale = Math.max(window.devicePixelRatio || 1, LEAST_WIDTH / size[0]), context = canvas.getContext("2d");
    canvas.width = Math.round(size[0] * scale);
    canvas.height = Math.round(size[1] * scale);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    shot.cursor = shot.draft = null;
    MKISO.scene.image(context, shot);
    MKISO.scene.graphics(context, shot);
    write(context, MKISO.cornerText.linesOf(viewport), size, withPatient, viewport);
    return canvas;
  }

  function write(context, lines, size, withPatient, viewport) {
    context.font = "12px system-ui, sans-serif";
    context.shadowColor = "#000";
    context.shadowBlur = 3;
    context.fillStyle = "#e6e6e6";
    let left = withPatient ? lines.tl : [], right = withPatient ? lines.tr : [MKISO.cornerText.seriesTitle(viewport.entry)];
    let how = withPatient ? lines.br : lines.br.slice(0, -1);
    left = left.concat(lines.badges.map(each => each[1]));
    column(context, left, 10, 18, "left");
    column(context, right, size[0] - 10, 18, "right");
    let bottom = lines.bl.concat([words.text("notice.device")]).filter(Boolean);
    column(context, bottom, 10, size[1] - 8 - LINE * (bottom.length - 1), "left");
    how = how.filter(Boolean);
    column(context, how, size[0] - 10, size[1] - 8 - LINE * (how.length - 1), "right");
    context.font = "bold 15px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText(lines.edges.top, size[0] / 2, 18);
    context.fillText(lines.edges.bottom, size[0] / 2, size[1] - 8);
    context.fillText(lines.edges.left, 14, size[1] / 2);
    context.fillText(lines.edges.right, size[0] - 14, size[1] / 2);
  }

  function column(context, lines, x, y, align) {
    context.textAlign = align;
    lines.filter(Boolean).forEach((line, index) => { context.fillText(line, x, y + LINE * index); });
  }

  /* Nothing about the patient in the file's name. */
  function nameOf(viewport, format) {
    let series = viewport.entry.series, parts = [series.modality || "image", series.number || "", viewport.shown + 1];
    return parts.filter(each => each !== "").join("_").replace(/[^\w-]/g, "") + "." + (format === "jpeg" ? "jpg" : format);
  }

  function save(viewport, format, withPatient) {
    return new Promise(resolve => {
      picture(viewport, withPatient).toBlob(blob => {
        let address = URL.createObjectURL(blob), link = dom.make("a", { href: address, download: nameOf(viewport, format) });
        document.body.append(link);
        link.click();
        link.remove();
        setTimeout(() => { URL.revokeObjectURL(address); }, 60000);
        resolve(blob);
      }, "image/" + format, 0.92);
    });
  }

  function print(viewport) {
    if (!viewport.frame()) return Promise.resolve();
    return new Promise(resolve => {
      picture(viewport, true).toBlob(blob => {
        let address = URL.createObjectURL(blob), image = dom.make("img", { src: address, alt: "" });
        let sheet = dom.make("div.print-sheet", {}, image);
        image.onload = () => {
          document.body.append(sheet);
          window.addEventListener("afterprint", () => {
            sheet.remove();
            URL.revokeObjectURL(address);
          }, { once: true });
          window.print();
          resolve(sheet);
        };
      }, "image/png");
    });
  }

  return { menu: menu, picture: picture, save: save, print: print, nameOf: nameOf };
})();
