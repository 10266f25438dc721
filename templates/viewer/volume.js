/* A stack of parallel planes as a volume, and planes cut out of it (PS3.3 C.7.6.2.1.1). Points are
   in the patient's mm. Pure functions. */
MKISO.volume = (function () {
  "use strict";
  let geometry = MKISO.geometry;
  let LEAST_PLANES = 5;

  /* Planes in order along the normal, and the step from one to the next; or {reason}. A step that
     is not along the normal is a gantry tilt and no obstacle. */
  function arrange(planes) {
    let first = planes[0], index;
    if (planes.length < LEAST_PLANES) return { reason: "few" };
    for (index = 0; index < planes.length; index++) if (!planes[index]) return { reason: "position" };
    if (!planes.every(plane => isLike(first, plane))) return { reason: "different" };
    let order = planes.map((plane, place) => {
      return { index: place, along: geometry.distanceAlong(first, plane.origin), plane: plane };
    }).sort((a, b) => a.along - b.along);
    return regular(order);
  }

  function isLike(first, plane) {
    return plane.rows === first.rows && plane.columns === first.columns &&
      plane.frameOfReference === first.frameOfReference &&
      Math.abs(plane.spacing[0] - first.spacing[0]) < 1e-3 * first.spacing[0] &&
      Math.abs(plane.spacing[1] - first.spacing[1]) < 1e-3 * first.spacing[1] &&
      geometry.dot(plane.row, first.row) > 0.9999 && geometry.dot(plane.column, first.column) > 0.9999;
  }

  function regular(order) {
    let last = order.length - 1, low = order[0].plane, high = order[last].plane;
    let step = geometry.minus(high.origin, low.origin).map(share => share / last);
    let size = Math.sqrt(geometry.dot(step, step)), slack = Math.max(0.05 * size, 0.02);
    if (!(order[last].along - order[0].along > 1e-3)) return { reason: "spacing" };
    let straight = order.every((each, place) => {
      let away = geometry.minus(each.plane.origin, geometry.plus(low.origin, step, place));
      return Math.sqrt(geometry.dot(away, away)) <= slack;
    });
    if (!straight) return { reason: "spacing" };
    return { order: order.map(each => each.index), plane: low, step: step };
  }

  /* volume: {values (z, y, x order), columns, rows, planes, toIndex: patient -> x, y, z}. */
  function indexOf(arranged, count, shrink) {
    let plane = arranged.plane;
    let x = plane.row.map(share => share * plane.spacing[1] * shrink);
    let y = plane.column.map(share => share * plane.spacing[0] * shrink);
    let inverse = invert(x, y, arranged.step);
    return { origin: plane.origin, x: x, y: y, z: arranged.step, inverse: inverse, count: count };
  }

  /* Rows of the inverse of the matrix with the columns x, y, z. */
  function invert(x, y, z) {
    let determinant = geometry.dot(x, geometry.cross(y, z));
    function scaled(vector) { return vector.map(share => share / determinant); }
    return [scaled(geometry.cross(y, z)), scaled(geometry.cross(z, x)), scaled(geometry.cross(x, y))];
  }

  function toIndex(grid, point) {
    let from = geometry.minus(point, grid.origin);
    return grid.inverse.map(row => geometry.dot(row, from));
  }

  function toPoint(grid, place) {
    return geometry.plus(geometry.plus(geometry.plus(grid.origin, grid.x, place[0]), grid.y, place[1]),
      grid.z, place[2]);
  }

  /* The box around the volume in the patient's axes: {low, high} of voxel centres. */
  function boundsOf(volume) {
    let low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity], corner, point;
    for (corner = 0; corner < 8; corner++) {
      point = toPoint(volume.grid, [corner & 1 ? volume.columns - 1 : 0, corner & 2 ? volume.rows - 1 : 0,
        corner & 4 ? volume.planes - 1 : 0]);
      point.forEach((share, axis) => {
        low[axis] = Math.min(low[axis], share);
        high[axis] = Math.max(high[axis], share);
      });
    }
    return { low: low, high: high };
  }

  let DIRECTIONS = {
    axial: { row: [1, 0, 0], column: [0, 1, 0], axis: 2 },
    coronal: { row: [1, 0, 0], column: [0, 0, -1], axis: 1 },
    sagittal: { row: [0, 1, 0], column: [0, 0, -1], axis: 0 }
  };

  /* The plane of that name through a point, large enough for the whole volume, square pixels. */
  function planeThrough(volume, name, point, pixel) {
    let direction = DIRECTIONS[name], bounds = boundsOf(volume), origin = point.slice();
    function extent(vector) {
      return Math.abs(geometry.dot(vector, geometry.minus(bounds.high, bounds.low)));
    }
    [direction.row, direction.column].forEach(vector => {
      vector.forEach((share, axis) => {
        if (share) origin[axis] = share > 0 ? bounds.low[axis] : bounds.high[axis];
      });
    });
    return {
      origin: origin, row: direction.row, column: direction.column,
      normal: geometry.cross(direction.row, direction.column), spacing: [pixel, pixel],
      columns: Math.floor(extent(direction.row) / pixel + 1e-6) + 1,
      rows: Math.floor(extent(direction.column) / pixel + 1e-6) + 1,
      frameOfReference: volume.frameOfReference
    };
  }

  /* Values of the plane, trilinear between voxels, `outside` beyond them. */
  function slice(volume, plane, outside) {
    let out = new volume.values.constructor(plane.rows * plane.columns), grid = volume.grid;
    let whole = !(out instanceof Float32Array), value;
    let start = toIndex(grid, plane.origin), index = 0, row, column, x, y, z;
    let right = stepOf(grid, plane.row, plane.spacing[1]), down = stepOf(grid, plane.column, plane.spacing[0]);
    for (row = 0; row < plane.rows; row++) {
      x = start[0] + row * down[0];
      y = start[1] + row * down[1];
      z = start[2] + row * down[2];
      for (column = 0; column < plane.columns; column++) {
        value = sample(volume, x, y, z, outside);
        out[index++] = whole ? Math.round(value) : value;
        x += right[0];
        y += right[1];
        z += right[2];
      }
    }
    return out;
  }

  function stepOf(grid, direction, size) {
    return grid.inverse.map(row => geometry.dot(row, direction) * size);
  }

  function sample(volume, x, y, z, outside) {
    let columns = volume.columns, rows = volume.rows, values = volume.values, slack = 1e-4;
    if (x < -slack || y < -slack || z < -slack || x > columns - 1 + slack || y > rows - 1 + slack ||
      z > volume.planes - 1 + slack) return outside;
    x = x < 0 ? 0 : x > columns - 1 ? columns - 1 : x;
    y = y < 0 ? 0 : y > rows - 1 ? rows - 1 : y;
    z = z < 0 ? 0 : z > volume.planes - 1 ? volume.planes - 1 : z;
    let left = x | 0, top = y | 0, front = z | 0, fx = x - left, fy = y - top, fz = z - front;
    let across = left < columns - 1 ? 1 : 0, down = top < rows - 1 ? columns : 0;
    let at = (front * rows + top) * columns + left, value = bilinear(values, at, across, down, fx, fy);
    if (fz && front < volume.planes - 1) {
      value += (bilinear(values, at + rows * columns, across, down, fx, fy) - value) * fz;
    }
    return value;
  }

  function bilinear(values, at, across, down, fx, fy) {
    let top = values[at] + (values[at + across] - values[at]) * fx;
    let bottom = values[at + down] + (values[at + down + across] - values[at + down]) * fx;
    return top + (bottom - top) * fy;
  }

  return { arrange: arrange, indexOf: indexOf, boundsOf: boundsOf, planeThrough: planeThrough, slice: slice };
})();
