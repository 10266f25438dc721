/* Draws one image with everything that lies upon it. A shot is {frame, picture, chain, view, aspect,
   size: [width, height] in CSS pixels, presentation, showOverlays, lines, draft, cursor,
   source that is painted already, from every step-th pixel}. */
MKISO.scene = (function () {
  "use strict";
  let view = MKISO.view, shapes = MKISO.shapes;
  let masks = new WeakMap();

  function matrixOf(shot) { return view.matrixOf(shot.view, shot.frame, shot.aspect, shot.size); }

  function image(context, shot) {
    let m = matrixOf(shot), source = shot.source || MKISO.render.paint(shot.picture, shot.frame, shot.chain, document.createElement("canvas"), 1);
    context.save();
    context.transform(m.a, m.b, m.c, m.d, m.e, m.f);
    context.imageSmoothingEnabled = shot.smooth !== false;
    context.imageSmoothingQuality = shot.view.scale < 1 && shot.frame.rows * shot.frame.columns < 4e6 ? "high" : "medium";
    let step = shot.picture.bitmap ? 0 : shot.step || 1;
    let width = step ? source.width * step : shot.frame.columns;
    let height = step ? source.height * step : shot.frame.rows;
    context.drawImage(source, -0.5, -0.5, width, height);
    context.restore();
  }

  function isBare(shot) {
    return !shot.presentation && !shot.frame.shutters && !shot.frame.overlays && !shot.draft && !shot.cursor &&
      !(shot.lines || []).length && !MKISO.annotations.of(shot.frame).length;
  }

  function graphics(context, shot) {
    let m = matrixOf(shot), content = shot.presentation && shot.presentation.content;
    if (content ? content.shutters : shot.frame.shutters) shutter(context, shot, m, content || shot.frame);
    if (shot.showOverlays !== false) overlays(context, shot, m, shot.frame.overlays, null);
    if (content && shot.showOverlays !== false) {
      overlays(context, shot, m, (content.overlays || []).filter(each => each.group !== (content.shutters || {}).overlay_group), null);
      presented(context, shot, m, content);
    }
    (shot.lines || []).forEach(line => { reference(context, m, line); });
    MKISO.annotations.of(shot.frame).forEach(each => { MKISO.annotations.draw(context, each, m, shot.picture); });
    if (shot.draft) MKISO.annotations.draw(context, shot.draft, m, shot.picture);
    if (shot.cursor) cursor(context, m, shot.cursor);
  }

  function trace(context, m, points, close) {
    points.forEach((point, index) => {
      let at = view.toScreen(m, point[0], point[1]);
      context[index ? "lineTo" : "moveTo"](at[0], at[1]);
    });
    if (close) context.closePath();
  }

  /* PS3.3 C.7.6.11: everything outside of all shapes gets the shutter's grey. */
  function shutter(context, shot, m, content) {
    let value = content.shutters.value;
    context.save();
    context.fillStyle = shapes.cssGrey(value === undefined ? 0 : value);
    shapes.shutterPaths(content.shutters, shot.aspect).forEach(path => {
      context.beginPath();
      context.rect(-1, -1, shot.size[0] + 2, shot.size[1] + 2);
      trace(context, m, path, true);
      context.fill("evenodd");
    });
    context.restore();
    let group = content.shutters.overlay_group;
    if (group !== undefined) {
      overlays(context, shot, m, (content.overlays || []).filter(each => each.group === group), value || 0);
    }
  }

  /* PS3.3 C.9.2: bits of a plane; they come inflated from the worker's twin, hence late. */
  function overlays(context, shot, m, list, shutterValue) {
    (list || []).forEach(overlay => {
      let mask = masks.get(overlay);
      if (!mask) {
        masks.set(overlay, { canvas: null });
        MKISO.decoder.decodeBlob(overlay.data).then(bytes => {
          masks.set(overlay, { canvas: maskCanvas(overlay, bytes, shutterValue) });
          if (shot.redraw) shot.redraw();
        }, () => {});
        return;
      }
      if (!mask.canvas) return;
      context.save();
      context.transform(m.a, m.b, m.c, m.d, m.e, m.f);
      context.imageSmoothingEnabled = shot.view.scale < 1;
      context.drawImage(mask.canvas, overlay.origin[1] - 1.5, overlay.origin[0] - 1.5);
      context.restore();
    });
  }

  function maskCanvas(overlay, bytes, shutterValue) {
    let canvas = document.createElement("canvas"), index, at = 0;
    canvas.width = overlay.columns;
    canvas.height = overlay.rows;
    let context = canvas.getContext("2d"), image = context.createImageData(overlay.columns, overlay.rows);
    let out = new Uint32Array(image.data.buffer), level = Math.round((shutterValue || 0) / 257);
    let colour = shutterValue === null ? 0xFF66E0FF : (0xFF000000 | level * 0x010101) >>> 0;
    for (index = 0; index < out.length; index++) {
      at = index >> 3;
      if ((bytes[at] >> (index & 7)) & 1) out[index] = colour;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /* PS3.3 C.10.5, C.10.7: graphic annotation, layer by layer. */
  function presented(context, shot, m, content) {
    let area = shapes.areaOf(displayedArea(content, shot.frame), shot.frame);
    let layers = {}, turn = view.turnOf(content);
    (content.layers || []).forEach(layer => { layers[layer.name] = layer; });
    let order = each => (layers[each.layer] && layers[each.layer].order) || 0;
    (content.annotations || []).filter(each => MKISO.disc.isMeant(each.references, shot.frame))
      .sort((a, b) => order(a) - order(b)).forEach(each => {
        context.save();
        context.strokeStyle = context.fillStyle = layerColour(layers[each.layer]);
        context.lineWidth = 1.3;
        (each.graphics || []).forEach(graphic => { drawGraphic(context, m, shapes.graphicPath(graphic, area, turn)); });
        (each.texts || []).forEach(text => { drawText(context, m, text, area, turn); });
        context.restore();
      });
  }

  function displayedArea(content, frame) {
    return (content.displayed_areas || []).find(each => MKISO.disc.isMeant(each.references, frame)) || null;
  }

  function layerColour(layer) {
    if (layer && layer.rgb) return "rgb(" + layer.rgb.join(",") + ")";
    return layer && layer.gray !== undefined ? shapes.cssGrey(layer.gray) : "#ffe066";
  }

  function drawGraphic(context, m, path) {
    context.beginPath();
    if (path.dots) {
      path.points.forEach(point => {
        let at = view.toScreen(m, point[0], point[1]);
        context.moveTo(at[0] + 3, at[1]);
        context.arc(at[0], at[1], 3, 0, 2 * Math.PI);
      });
    } else trace(context, m, path.points, false);
    if (path.filled) context.fill();
    context.stroke();
  }

  /* The box is in the image, the letters keep their size on the screen. */
  function drawText(context, m, text, area, turn) {
    let lines = String(text.text || "").split("\n"), place, align = "left";
    context.font = "13px system-ui, sans-serif";
    if (text.box) {
      let corners = shapes.toPixels(shapes.pairs(text.box), text.box_units, area, turn)
        .map(point => view.toScreen(m, point[0], point[1]));
      let left = Math.min(corners[0][0], corners[1][0]), right = Math.max(corners[0][0], corners[1][0]);
      align = { LEFT: "left", RIGHT: "right", CENTER: "center" }[text.justification] || "left";
      place = [align === "left" ? left : align === "right" ? right : (left + right) / 2, Math.min(corners[0][1], corners[1][1]) + 12];
    }
    if (text.anchor) {
      let point = shapes.toPixels([text.anchor], text.anchor_units, area, turn)[0];
      let anchor = view.toScreen(m, point[0], point[1]);
      if (!place) place = [anchor[0] + 4, anchor[1] - 4];
      else if (text.anchor_visible) leader(context, anchor, lines, place, align);
    }
    if (!place) return;
    context.textAlign = align;
    context.lineJoin = "round";  // a dark edge: the text may stand on white bone
    context.lineWidth = 3;
    context.strokeStyle = "#000b";
    lines.forEach((line, index) => {
      context.strokeText(line, place[0], place[1] + 16 * index);
      context.fillText(line, place[0], place[1] + 16 * index);
    });
  }

  /* From the anchor to the nearest point at the edge of the letters. */
  function leader(context, anchor, lines, place, align) {
    let width = Math.max.apply(null, lines.map(line => context.measureText(line).width));
    let left = place[0] - { left: 0, center: width / 2, right: width }[align];
    context.beginPath();
    context.moveTo(anchor[0], anchor[1]);
    context.lineTo(Math.max(left - 3, Math.min(left + width + 3, anchor[0])), Math.max(place[1] - 12, Math.min(place[1] + 16 * lines.length - 12, anchor[1])));
    context.stroke();
  }

  function reference(context, m, line) {
    context.save();
    context.strokeStyle = line.colour || "#ffb347";
    context.lineWidth = 1.2;
    if (line.dashed) context.setLineDash([6, 5]);
    context.beginPath();
    trace(context, m, line.points, false);
    context.stroke();
    context.restore();
  }

  function cursor(context, m, point) {
    let at = view.toScreen(m, point[0], point[1]);
    context.save();
    context.strokeStyle = "#7fd1ff";
    context.lineWidth = 1.5;
    context.beginPath();
    [[-14, -4], [4, 14]].forEach(part => {
      context.moveTo(at[0] + part[0], at[1]);
      context.lineTo(at[0] + part[1], at[1]);
      context.moveTo(at[0], at[1] + part[0]);
      context.lineTo(at[0], at[1] + part[1]);
    });
    context.stroke();
    context.restore();
  }

  return { image: image, graphics: graphics, isBare: isBare, matrixOf: matrixOf, displayedArea: displayedArea };
})();
