/* Lines of presentation states and reports, as points in pixels with the centre of the first pixel
   at 0, 0 (the files count from the outer corner of that pixel). Pure functions. */
MKISO.shapes = (function () {
  "use strict";

  function pairs(list) {
    let points = [], index;
    for (index = 0; index + 1 < list.length; index += 2) points.push([list[index], list[index + 1]]);
    return points;
  }

  /* PS3.3 C.10.5.1.2: PIXEL and MATRIX count from the corner of the top left pixel, DISPLAY is a
     share of the displayed area {left, top, right, bottom} as it stands on the screen, hence after
     the state's own turn {rotation, flipped} (C.10.6). */
  function toPixels(points, units, area, turn) {
    return points.map(point => {
      if (units !== "DISPLAY") return [point[0] - 0.5, point[1] - 0.5];
      let share = unturned(point[0] - 0.5, point[1] - 0.5, turn);
      return [area.left + (0.5 + share[0]) * (area.right - area.left),
        area.top + (0.5 + share[1]) * (area.bottom - area.top)];
    });
  }

  function unturned(across, down, turn) {
    let rotation = ((turn && turn.rotation) || 0) % 360;
    let share = { 90: [down, -across], 180: [-across, -down], 270: [-down, across] }[rotation] || [across, down];
    return turn && turn.flipped ? [-share[0], share[1]] : share;
  }

  /* PS3.3 C.10.4: the displayed area in whole pixels from 1, the corners of it included. */
  function areaOf(displayed, frame) {
    if (!displayed) return { left: -0.5, top: -0.5, right: frame.columns - 0.5, bottom: frame.rows - 0.5 };
    return {
      left: Math.min(displayed.top_left[0], displayed.bottom_right[0]) - 1.5,
      top: Math.min(displayed.top_left[1], displayed.bottom_right[1]) - 1.5,
      right: Math.max(displayed.top_left[0], displayed.bottom_right[0]) - 0.5,
      bottom: Math.max(displayed.top_left[1], displayed.bottom_right[1]) - 0.5
    };
  }

  function around(centre, first, second) {
    let points = [], step, angle;
    for (step = 0; step <= 72; step++) {
      angle = step * Math.PI / 36;
      points.push([
        centre[0] + first[0] * Math.cos(angle) + second[0] * Math.sin(angle),
        centre[1] + first[1] * Math.cos(angle) + second[1] * Math.sin(angle)
      ]);
    }
    return points;
  }

  function half(a, b) { return [(b[0] - a[0]) / 2, (b[1] - a[1]) / 2]; }

  /* A smooth line through all points (Catmull-Rom), for INTERPOLATED. */
  function smooth(points) {
    if (points.length < 3) return points;
    let closed = points[0][0] === points[points.length - 1][0] && points[0][1] === points[points.length - 1][1];
    let ring = closed ? points.slice(0, -1) : points, out = [], index, step, count = ring.length;
    function at(place) {
      if (closed) return ring[(place + count) % count];
      return ring[Math.min(count - 1, Math.max(0, place))];
    }
    function blend(a, b, c, d, t) {
      return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t +
        (3 * b - a - 3 * c + d) * t * t * t);
    }
    for (index = 0; index < (closed ? count : count - 1); index++) {
      for (step = 0; step < 8; step++) {
        out.push([0, 1].map(axis => blend(at(index - 1)[axis], at(index)[axis], at(index + 1)[axis], at(index + 2)[axis], step / 8)));
      }
    }
    out.push(points[points.length - 1]);
    return out;
  }

  /* {points, dots, filled}: a line through points, or single points. */
  function graphicPath(graphic, area, turn) {
    let points = toPixels(pairs(graphic.points || []), graphic.units, area, turn), type = graphic.type;
    if (type === "POINT" || type === "MULTIPOINT") return { points: points, dots: true, filled: false };
    if (type === "CIRCLE" && points.length >= 2) {
      let radius = Math.hypot(points[1][0] - points[0][0], points[1][1] - points[0][1]);
      points = around(points[0], [radius, 0], [0, radius]);
    } else if (type === "ELLIPSE" && points.length >= 4) {
      let long = half(points[0], points[1]), short = half(points[2], points[3]);
      points = around([points[0][0] + long[0], points[0][1] + long[1]], long, short);
    } else if (type === "INTERPOLATED") {
      points = smooth(points);
    }
    return { points: points, dots: false, filled: !!graphic.filled };
  }

  /* PS3.3 C.7.6.11, C.7.6.15: what stays visible, as closed lines; all of them cut. Edges count
     whole pixels from 1 and are themselves visible. A radius counts pixels along the row; `aspect` is
     their height over their width. */
  function shutterPaths(shutters, aspect) {
    return (shutters.shapes || []).map(shape => {
      if (shape === "RECTANGULAR" && shutters.right !== undefined) {
        let left = shutters.left - 1.5, right = shutters.right - 0.5;
        let top = shutters.upper - 1.5, bottom = shutters.lower - 0.5;
        return [[left, top], [right, top], [right, bottom], [left, bottom]];
      }
      if (shape === "CIRCULAR" && shutters.center) {
        return around([shutters.center[1] - 1, shutters.center[0] - 1], [shutters.radius, 0], [0, shutters.radius / (aspect || 1)]);
      }
      if (shape === "POLYGONAL" && shutters.vertices) {
        return pairs(shutters.vertices).map(pair => [pair[1] - 1, pair[0] - 1]);
      }
      return null;
    }).filter(Boolean);
  }

  /* PS3.3 C.11.14: p-value of 16 bits to a grey of the screen. */
  function cssGrey(value) {
    let level = Math.round(value / 257);
    return "rgb(" + level + "," + level + "," + level + ")";
  }

  return { pairs: pairs, toPixels: toPixels, areaOf: areaOf, graphicPath: graphicPath,
    shutterPaths: shutterPaths, cssGrey: cssGrey };
})();
