/* A line of a round length at the foot of an image, where one scale holds for all of it: not for what
   was measured at the detector, and not where ultrasound regions differ. */
MKISO.ruler = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, LENGTHS = [200, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1];

  /* The longest that takes at most `room` points of the screen: {mm, points}; null without spacing.
     The screen has the pixels in their true proportion, hence a turn changes nothing. */
  function lengthFor(frame, scale, room) {
    let size = MKISO.measure.calibrationOf(frame, []), regions = frame.ultrasound_regions || [], first = regions[0];
    if ((size.source !== "patient" && size.source !== "region") || size.unitX !== "mm" || size.unitY !== "mm") return null;
    if (!regions.every(each => each.delta_x === first.delta_x && each.delta_y === first.delta_y && each.units_x === first.units_x)) return null;
    let found = LENGTHS.find(each => each / size.x * scale <= room);
    return found ? { mm: found, points: found / size.x * scale } : null;
  }

  function show(viewport) {
    let frame = viewport.frame(), on = frame && viewport.picture() && viewport.host.showsText();
    let length = on ? lengthFor(frame, viewport.view.scale, viewport.size()[0] * 0.22) : null;
    let text = length ? length.mm >= 10 ? words.number(length.mm / 10, 0) + " cm" : words.number(length.mm, length.mm < 1 ? 1 : 0) + " mm" : "";
    viewport.ruler.hidden = !length;
    if (!length) return;
    viewport.ruler.style.width = length.points + "px";
    if (viewport.ruler.firstChild.textContent !== text) viewport.ruler.firstChild.textContent = text;
  }

  function make() { return dom.make("div.ruler", { hidden: true, "aria-hidden": "true" }, dom.make("span")); }

  return { make: make, show: show, lengthFor: lengthFor };
})();
