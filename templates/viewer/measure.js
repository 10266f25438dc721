/* Lengths, angles and areas in the units the file gives, and statistics of an ellipse. Points are
   [x, y] in pixels with the centre of the first pixel at 0, 0. Pure functions. */
MKISO.measure = (function () {
  "use strict";

  /* PS3.3 C.8.5.5.1.15 and .16: units of an ultrasound region, with the factor to the unit shown. */
  let REGION_UNITS = { 3: ["mm", 10], 4: ["s", 1], 5: ["Hz", 1], 7: ["cm/s", 1], 12: ["°", 1] };

  /* Bit 0 of the flags marks pixels of low priority (C.8.5.5.1.3): where regions overlap, the other. */
  function regionOf(frame, points) {
    let around = (frame.ultrasound_regions || []).filter(region => {
      let bounds = region.bounds;
      return points.every(point => point[0] >= bounds[0] && point[0] <= bounds[2] &&
          point[1] >= bounds[1] && point[1] <= bounds[3]);
    });
    return around.find(region => !(region.flags & 1)) || around[0] || null;
  }

  function pair(list) {
    return Array.isArray(list) && list.length === 2 && list[0] > 0 && list[1] > 0;
  }

  let PROJECTIONS = ["CR", "DX", "MG", "XA", "RF", "IO", "PX"];

  /* Pixel Spacing of a projection (PS3.3 10.7.1.1, 10.7.1.3): calibrated when the file says how, or
     when it differs from Imager Pixel Spacing; the detector's when both are the same; else unsaid. */
  function sourceOf(frame) {
    let spacing = frame.pixel_spacing, imager = frame.imager_pixel_spacing;
    if (frame.pixel_spacing_calibration_type) return "patient";
    if (pair(imager)) return spacing[0] === imager[0] && spacing[1] === imager[1] ? "detector" : "patient";
    return PROJECTIONS.indexOf(frame.modality) >= 0 && !frame.image_position_patient ? "unsaid" : "patient";
  }

  /* {x, y: size of a pixel, unitX, unitY, source}. `source` says how far to trust it:
     patient, region, detector, magnified (PS3.3 10.7.1.3, C.8.11.5), unsaid, nominal, none. */
  function calibrationOf(frame, points) {
    let region = regionOf(frame, points), factor;
    if (region && REGION_UNITS[region.units_x] && REGION_UNITS[region.units_y] && region.delta_x && region.delta_y) {
      let horizontal = REGION_UNITS[region.units_x], vertical = REGION_UNITS[region.units_y];
      return {
        x: Math.abs(region.delta_x) * horizontal[1], y: Math.abs(region.delta_y) * vertical[1],
        unitX: horizontal[0], unitY: vertical[0], source: "region"
      };
    }
    if (pair(frame.pixel_spacing)) return inMillimetres(frame.pixel_spacing, 1, sourceOf(frame));
    if (pair(frame.imager_pixel_spacing)) {
      factor = frame.estimated_radiographic_magnification_factor;
      return inMillimetres(frame.imager_pixel_spacing, factor > 0 ? factor : 1,
        factor > 0 ? "magnified" : "detector");
    }
    if (pair(frame.nominal_scanned_pixel_spacing)) {
      return inMillimetres(frame.nominal_scanned_pixel_spacing, 1, "nominal");
    }
    let aspect = pair(frame.pixel_aspect_ratio) ? frame.pixel_aspect_ratio : [1, 1];
    return { x: 1, y: aspect[0] / aspect[1], unitX: "px", unitY: "px", source: "none" };
  }

  function inMillimetres(spacing, magnification, source) {
    return {
      x: spacing[1] / magnification, y: spacing[0] / magnification,
      unitX: "mm", unitY: "mm", source: source
    };
  }

  /* {value, unit, source}; in a region of two units {parts: [[value, unit], ...]} instead. */
  function distance(frame, a, b) {
    let scale = calibrationOf(frame, [a, b]);
    let across = Math.abs(b[0] - a[0]) * scale.x, down = Math.abs(b[1] - a[1]) * scale.y;
    if (scale.unitX !== scale.unitY) {
      return { parts: [[across, scale.unitX], [down, scale.unitY]], source: scale.source };
    }
    return { value: Math.sqrt(across * across + down * down), unit: scale.unitX, source: scale.source };
  }

  /* Degrees at `corner` between the ways to `a` and to `b`. */
  function angle(frame, a, corner, b) {
    let scale = calibrationOf(frame, [a, corner, b]);
    let first = [(a[0] - corner[0]) * scale.x, (a[1] - corner[1]) * scale.y];
    let second = [(b[0] - corner[0]) * scale.x, (b[1] - corner[1]) * scale.y];
    let turn = Math.atan2(first[0] * second[1] - first[1] * second[0],
      first[0] * second[0] + first[1] * second[1]);
    return Math.abs(turn) * 180 / Math.PI;
  }

  /* Mean, standard deviation (of the population), extremes and number of the pixels whose centres
     lie inside the ellipse in the box from a to b; `valueAt(x, y)` gives a pixel's meaning. */
  function ellipse(frame, a, b, valueAt) {
    let centre = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    let radius = [Math.abs(b[0] - a[0]) / 2, Math.abs(b[1] - a[1]) / 2];
    let scale = calibrationOf(frame, [a, b]), values = [], x, y, dx, dy;
    let top = Math.max(0, Math.ceil(centre[1] - radius[1]));
    let bottom = Math.min(frame.rows - 1, Math.floor(centre[1] + radius[1]));
    let left = Math.max(0, Math.ceil(centre[0] - radius[0]));
    let right = Math.min(frame.columns - 1, Math.floor(centre[0] + radius[0]));
    for (y = top; y <= bottom; y++) {
      dy = radius[1] ? (y - centre[1]) / radius[1] : 0;
      for (x = left; x <= right; x++) {
        dx = radius[0] ? (x - centre[0]) / radius[0] : 0;
        if (dx * dx + dy * dy <= 1) values.push(valueAt(x, y));
      }
    }
    let result = statistics(values);
    if (scale.unitX === scale.unitY) {
      result.area = Math.PI * radius[0] * scale.x * radius[1] * scale.y;
      result.areaUnit = scale.unitX + "²";
    }
    result.source = scale.source;
    return result;
  }

  function statistics(values) {
    let sum = 0, squares = 0, least = Infinity, most = -Infinity, mean, index;
    for (index = 0; index < values.length; index++) {
      sum += values[index];
      if (values[index] < least) least = values[index];
      if (values[index] > most) most = values[index];
    }
    mean = sum / values.length;
    for (index = 0; index < values.length; index++) squares += (values[index] - mean) * (values[index] - mean);
    return {
      count: values.length, mean: mean, deviation: Math.sqrt(squares / values.length),
      least: least, most: most
    };
  }

  return {
    calibrationOf: calibrationOf, distance: distance, angle: angle, ellipse: ellipse,
    statistics: statistics
  };
})();
