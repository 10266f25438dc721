/* From pixels of the image to points of the screen and back. A view is {scale, x, y, rotation,
   flipped}: screen points for one pixel's width, how far the centre is moved, degrees clockwise,
   mirrored left to right before the turn. Pixel coordinates: centre of the first pixel at 0, 0. */
MKISO.view = (function () {
  "use strict";

  function matrixOf(view, frame, aspect, size) {
    let angle = view.rotation * Math.PI / 180, cos = Math.cos(angle), sin = Math.sin(angle);
    let across = view.scale * (view.flipped ? -1 : 1), down = view.scale * aspect;
    let a = cos * across, b = sin * across, c = -sin * down, d = cos * down;
    let middle = [(frame.columns - 1) / 2, (frame.rows - 1) / 2];
    return {
      a: a, b: b, c: c, d: d,
      e: size[0] / 2 + view.x - a * middle[0] - c * middle[1],
      f: size[1] / 2 + view.y - b * middle[0] - d * middle[1]
    };
  }

  function toScreen(m, x, y) { return [m.a * x + m.c * y + m.e, m.b * x + m.d * y + m.f]; }

  function toImage(m, x, y) {
    let determinant = m.a * m.d - m.b * m.c, dx = x - m.e, dy = y - m.f;
    return [(m.d * dx - m.c * dy) / determinant, (m.a * dy - m.b * dx) / determinant];
  }

  /* The scale at which an area {left, top, right, bottom} just fits. */
  function fitScale(area, aspect, rotation, size) {
    let angle = rotation * Math.PI / 180, cos = Math.abs(Math.cos(angle)), sin = Math.abs(Math.sin(angle));
    let width = area.right - area.left, height = (area.bottom - area.top) * aspect;
    return Math.min(size[0] / (width * cos + height * sin), size[1] / (width * sin + height * cos));
  }

  /* Moves the view so that the point of the image under `point` stays there at the new scale. */
  function zoomAround(view, factor, point, size) {
    let dx = point[0] - size[0] / 2, dy = point[1] - size[1] / 2;
    view.x = dx - (dx - view.x) * factor;
    view.y = dy - (dy - view.y) * factor;
    view.scale *= factor;
  }

  /* A presentation state turns first and mirrors then (PS3.3 C.10.6); a view the other way round. */
  function turnOf(content) {
    let rotation = (((content.rotation || 0) % 360) + 360) % 360;
    return { rotation: content.horizontal_flip ? (360 - rotation) % 360 : rotation, flipped: !!content.horizontal_flip };
  }

  /* Puts a point of the image into the middle. */
  function centreOn(view, frame, aspect, point) {
    view.x = view.y = 0;
    let m = matrixOf(view, frame, aspect, [0, 0]), at = toScreen(m, point[0], point[1]);
    view.x = -at[0];
    view.y = -at[1];
  }

  return { matrixOf: matrixOf, toScreen: toScreen, toImage: toImage, fitScale: fitScale,
    zoomAround: zoomAround, turnOf: turnOf, centreOn: centreOn };
})();
