/* Elements of the page. Text goes in as text only: names on a disc are not to be trusted. */
MKISO.dom = (function () {
  "use strict";
  let SVG = "http://www.w3.org/2000/svg";

  /* make("div.corner.left", {title: "…"}, [children or texts]) */
  function make(name, attributes, children) {
    let parts = name.split("."), element = document.createElement(parts[0]);
    if (parts.length > 1) element.className = parts.slice(1).join(" ");
    Object.keys(attributes || {}).forEach(key => {
      let value = attributes[key];
      if (value === false || value === undefined || value === null) return;
      if (key === "onclick") element.addEventListener("click", value);
      else element.setAttribute(key, value === true ? "" : String(value));
    });
    [].concat(children === undefined ? [] : children).forEach(child => {
      if (child !== null && child !== undefined) element.append(child);
    });
    return element;
  }

  /* Text from a data set: kept apart from its surroundings whatever its direction of writing. */
  function isolated(text) { return make("bdi", {}, [String(text === undefined || text === null ? "" : text)]); }

  function clear(element) {
    while (element.firstChild) element.firstChild.remove();
    return element;
  }

  function svg(name, attributes, children) {
    let element = document.createElementNS(SVG, name);
    Object.keys(attributes || {}).forEach(key => { element.setAttribute(key, attributes[key]); });
    (children || []).forEach(child => { element.append(child); });
    return element;
  }

  /* Drawings of 24 x 24, lines only. */
  let ICONS = {
    window: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 3v18M12 7l5 0M12 11h8M12 15h7",
    scroll: "M8 4h10v4M6 8h14v12H6zM13 10v8M10 13l3-3 3 3M10 15l3 3 3-3",
    zoom: "M10 4a6 6 0 1 0 0 12a6 6 0 1 0 0-12M15 15l6 6M7 10h6M10 7v6",
    pan: "M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3",
    distance: "M4 20L20 4M2 18l4 4M18 2l4 4M9 12l2 2M12 9l2 2",
    angle: "M20 19H4L17 5M12 19a8 8 0 0 0-3-5",
    ellipse: "M12 6c5 0 9 2.7 9 6s-4 6-9 6-9-2.7-9-6 4-6 9-6M12 11v2M11 12h2",
    probe: "M12 3v6M12 15v6M3 12h6M15 12h6M12 11.500v1",
    cross: "M12 3v18M3 12h18",
    invert: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 3v18M14 5v14M16 6v12M18 8v8",
    reset: "M5 9a8 8 0 1 1-1 5M5 4v5h5",
    fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5M8 8h8v8H8z",
    rotate: "M19 12a7 7 0 1 1-3-6M20 3v5h-5",
    flip: "M12 3v18M9 7L4 17h5zM15 7l5 10h-5z",
    cine: "M7 4l13 8-13 8z",
    pause: "M7 4v16M17 4v16",
    compare: "M3 5h18v14H3zM12 5v14",
    single: "M3 5h18v14H3z",
    link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
    mpr: "M4 8l8-4 8 4-8 4zM4 8v8l8 4 8-4V8M12 12v8",
    key: "M12 3l2.7 6 6.3.6-4.8 4.2 1.5 6.200L12 16.7 6.3 20l1.5-6.200L3 9.6 9.3 9z",
    text: "M4 6h16M4 10h10M4 14h13M4 18h7",
    save: "M12 3v12M7 10l5 5 5-5M4 20h16",
    print: "M7 8V3h10v5M5 17H3V8h18v9h-2M7 14h10v7H7z",
    help: "M9 9a3 3 0 1 1 4 3c-1 .5-1 1-1 2.500M12 18v.500M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18",
    full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
    list: "M4 5h4v4H4zM4 15h4v4H4zM11 7h9M11 17h9",
    disc: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 9.500a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5",
    more: "M5 12h.01M12 12h.01M19 12h.01",
    language: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M3 12h18M12 3c3 3 4 6 4 9s-1 6-4 9c-3-3-4-6-4-9s1-6 4-9",
    close: "M5 5l14 14M19 5L5 19",
    trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
    layers: "M12 4l9 5-9 5-9-5zM3 14l9 5 9-5",
    document: "M6 3h9l4 4v14H6zM9 11h7M9 15h7M15 3v4h4",
    video: "M3 6h13v12H3zM16 10l5-3v10l-5-3z",
    wave: "M2 13h5l2-6 4 12 3-9 1 3h5",
    warning: "M12 3l10 18H2zM12 9v6M12 17.500v.5",
    previous: "M15 5l-7 7 7 7", next: "M9 5l7 7-7 7", up: "M5 15l7-7 7 7", down: "M5 9l7 7 7-7"
  };

  function icon(name) {
    return svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, [svg("path", { d: ICONS[name] || "" })]);
  }

  return { make: make, isolated: isolated, clear: clear, svg: svg, icon: icon };
})();
