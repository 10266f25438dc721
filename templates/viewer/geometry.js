/* Where a pixel is in the patient (PS3.3 C.7.6.2.1.1): x to the left, y to the back, z to the head,
   in mm. A plane is {origin, row, column, normal, spacing: [between rows, between columns], rows,
   columns}: `row` is the direction along a row, `column` down a column. Pure functions. */
MKISO.geometry = (function () {
  "use strict";

  function dot(a, b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
  function minus(a, b) { return [a[0] - b[0], a[1] - b[1], a[2] - b[2]]; }
  function plus(a, b, factor) {
    return [a[0] + b[0] * factor, a[1] + b[1] * factor, a[2] + b[2] * factor];
  }
  function cross(a, b) {
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  }
  function unit(a) {
    let size = Math.sqrt(dot(a, a));
    return size > 0 ? [a[0] / size, a[1] / size, a[2] / size] : [0, 0, 0];
  }
  function numbers(list, count) {
    return Array.isArray(list) && list.length === count && list.every(each => typeof each === "number" && isFinite(each));
  }

  /* The plane of a frame, or null when the frame does not say where it is. */
  function planeOf(frame) {
    let position = frame.image_position_patient, turn = frame.image_orientation_patient;
    let spacing = frame.pixel_spacing;
    if (!numbers(position, 3) || !numbers(turn, 6) || !numbers(spacing, 2)) return null;
    let row = unit(turn.slice(0, 3)), column = unit(turn.slice(3, 6)), normal = cross(row, column);
    if (Math.abs(dot(normal, normal) - 1) > 0.01 || !(spacing[0] > 0 && spacing[1] > 0)) return null;
    return {
      origin: position, row: row, column: column, normal: unit(normal), spacing: spacing,
      rows: frame.rows, columns: frame.columns, frameOfReference: frame.frame_of_reference_uid || ""
    };
  }

  /* x and y are pixel coordinates with the centre of the first pixel at 0, 0. */
  function toPatient(plane, x, y) {
    return plus(plus(plane.origin, plane.row, x * plane.spacing[1]), plane.column, y * plane.spacing[0]);
  }
  function toPixel(plane, point) {
    let from = minus(point, plane.origin);
    return [dot(from, plane.row) / plane.spacing[1], dot(from, plane.column) / plane.spacing[0]];
  }
  function centreOf(plane) {
    return toPatient(plane, (plane.columns - 1) / 2, (plane.rows - 1) / 2);
  }
  /* How far along the normal of the first plane the other's centre lies. */
  function distanceAlong(plane, point) { return dot(minus(point, plane.origin), plane.normal); }

  function areParallel(a, b) { return Math.abs(dot(a.normal, b.normal)) > 0.999; }

  /* PS3.3 C.7.6.1.1.1: letters of a direction, the strongest first; a share below a tenth of the
     whole is not worth a letter. */
  function lettersOf(direction) {
    let names = [["L", "R"], ["P", "A"], ["H", "F"]];
    return direction.map((share, axis) => {
      return { size: Math.abs(share), letter: names[axis][share > 0 ? 0 : 1] };
    }).filter(each => each.size > 0.1).sort((a, b) => b.size - a.size).map(each => each.letter).join("");
  }

  let OPPOSITE = {
    L: "R", R: "L", A: "P", P: "A", H: "F", F: "H",
    /* four-footed animals (C.7.6.1.1.1, Patient Orientation) */
    LE: "RT", RT: "LE", D: "V", V: "D", CR: "CD", CD: "CR", M: "L", PR: "DI", DI: "PR"
  };
  function oppositeOf(letters) {
    if (OPPOSITE[letters] && letters.length > 1) return OPPOSITE[letters];
    return letters.split("").map(letter => OPPOSITE[letter] || "").join("");
  }

  /* turn: {rotation: 0 ... 359 clockwise, flipped: mirrored left to right before it}. Gives the
     image direction (x, y) that points to the right, or down, on the screen. */
  function screenDirections(turn) {
    let angle = turn.rotation * Math.PI / 180, cos = Math.cos(angle), sin = Math.sin(angle);
    let mirror = turn.flipped ? -1 : 1;
    return { right: [mirror * cos, -sin], down: [mirror * sin, cos] };
  }

  /* Letters at the four edges, "" where nothing is known. */
  function edgeLetters(frame, turn) {
    let directions = screenDirections(turn), plane = planeOf(frame), right, down;
    let given = frame.image_orientation_patient;
    if (plane || numbers(given, 6)) {
      let row = plane ? plane.row : unit(given.slice(0, 3));
      let column = plane ? plane.column : unit(given.slice(3, 6));
      right = lettersOf(plus(plus([0, 0, 0], row, directions.right[0]), column, directions.right[1]));
      down = lettersOf(plus(plus([0, 0, 0], row, directions.down[0]), column, directions.down[1]));
    } else {
      right = namedDirection(frame.patient_orientation, directions.right);
      down = namedDirection(frame.patient_orientation, directions.down);
    }
    return { right: right, left: oppositeOf(right), bottom: down, top: oppositeOf(down) };
  }

  /* Patient Orientation (0020,0020): letters along the row and down the column; only for quarter
     turns, because letters cannot be mixed. */
  function namedDirection(names, direction) {
    if (!Array.isArray(names) || names.length !== 2) return "";
    let axis = Math.abs(direction[0]) > 0.999 ? 0 : Math.abs(direction[1]) > 0.999 ? 1 : -1;
    if (axis < 0) return "";
    return direction[axis] > 0 ? String(names[axis]) : oppositeOf(String(names[axis]));
  }

  function cornersOf(plane) {
    let right = plane.columns - 0.5, bottom = plane.rows - 0.5;
    return [[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]].map(corner => toPatient(plane, corner[0], corner[1]));
  }

  /* Where plane `other` cuts `plane`: two points in pixels of `plane`, or null. */
  function crossing(plane, other) {
    if (!plane.frameOfReference || plane.frameOfReference !== other.frameOfReference) return null;
    if (Math.abs(dot(plane.normal, other.normal)) > 0.985) return null;
    let corners = cornersOf(other), found = [];
    corners.forEach((from, index) => {
      let to = corners[(index + 1) % 4];
      let a = distanceAlong(plane, from), b = distanceAlong(plane, to);
      if ((a < 0) === (b < 0)) return;
      found.push(toPixel(plane, plus(from, minus(to, from), a / (a - b))));
    });
    return found.length === 2 ? found : null;
  }

  /* The index of the plane nearest to a point, along their own normal; -1 for none. */
  function nearestPlane(planes, point) {
    let best = -1, least = Infinity;
    planes.forEach((plane, index) => {
      if (!plane) return;
      let away = Math.abs(distanceAlong(plane, point));
      if (away < least) { least = away; best = index; }
    });
    return best;
  }

  /* Pixel height over width (PS3.3 C.7.6.3.1.7, 10.7.1): spacing between rows and columns. */
  function pixelAspect(frame) {
    let pair = [frame.pixel_spacing, frame.imager_pixel_spacing, frame.nominal_scanned_pixel_spacing,
      frame.pixel_aspect_ratio].find(each => numbers(each, 2) && each[0] > 0 && each[1] > 0);
    return pair ? pair[0] / pair[1] : 1;
  }

  return {
    dot: dot, minus: minus, plus: plus, cross: cross, unit: unit, planeOf: planeOf,
    toPatient: toPatient, toPixel: toPixel, centreOf: centreOf, distanceAlong: distanceAlong,
    areParallel: areParallel, lettersOf: lettersOf, oppositeOf: oppositeOf, edgeLetters: edgeLetters,
    crossing: crossing, nearestPlane: nearestPlane,
    pixelAspect: pixelAspect
  };
})();
