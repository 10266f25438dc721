/* Two windows that go together: the same place in the patient, the same zoom; and lines that show
   where the one cuts the other. */
MKISO.sync = (function () {
  "use strict";
  let geometry = MKISO.geometry;

  function planeOf(viewport) { return viewport.planes[viewport.wanted] || null; }

  /* Where `other` has to go after `moved` went `steps` images; -1: stay. One frame of reference: to
     the same place. Two (an earlier examination): parallel planes move by the same way. */
  function follow(moved, other, steps) {
    let from = planeOf(moved), to = planeOf(other);
    if (!other.frames.length || moved.entry === null) return -1;
    if (!from || !to) return other.wanted + steps;
    if (!geometry.areParallel(from, to)) return -1;
    if (from.frameOfReference && from.frameOfReference === to.frameOfReference) {
      return geometry.nearestPlane(other.planes, geometry.centreOf(from));
    }
    let before = moved.planes[moved.wanted - steps] || from;
    let way = geometry.minus(geometry.centreOf(from), geometry.centreOf(before));
    let offset = other.syncRest || [0, 0, 0];
    let goal = geometry.plus(geometry.plus(geometry.centreOf(to), way, 1), offset, 1);
    let index = geometry.nearestPlane(other.planes, goal);
    other.syncRest = index < 0 ? null : geometry.minus(goal, geometry.centreOf(other.planes[index]));
    return index;
  }

  /* The lines of all other windows in this one. */
  function linesFor(viewport, viewports) {
    let plane = viewport.planes[viewport.shown];
    if (!plane) return [];
    return viewports.filter(other => other !== viewport && other.planes[other.shown]).map(other => {
      let points = geometry.crossing(plane, other.planes[other.shown]);
      return points ? { points: points, colour: "#ffb347" } : null;
    }).filter(Boolean);
  }

  return { follow: follow, linesFor: linesFor };
})();
