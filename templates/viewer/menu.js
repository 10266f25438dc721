/* A list of choices below a button; arrows, Enter and Escape as everywhere. */
MKISO.menu = (function () {
  "use strict";
  let dom = MKISO.dom, open = null;

  function close(refocus) {
    if (!open) return;
    let was = open;
    open = null;
    was.element.remove();
    was.button.setAttribute("aria-expanded", "false");
    if (refocus) was.button.focus();
  }

  /* items: {text, hint, checked, run} or "line". */
  function show(button, items) {
    let again = open && open.button === button;
    close(false);
    if (again) return;
    let element = dom.make("div.menu", { role: "menu" }, items.map(item => {
      if (item === "line") return dom.make("div.line", { role: "separator" });
      return dom.make("button", {
        type: "button", role: item.checked === undefined ? "menuitem" : "menuitemradio",
        "aria-checked": item.checked === undefined ? undefined : String(!!item.checked), tabindex: "-1",
        onclick: () => { close(true); item.run(); }
      }, [dom.make("span.mark", { "aria-hidden": "true" }, item.checked ? "•" : ""), dom.isolated(item.text), dom.make("kbd", {}, item.hint || "")]);
    }));
    document.getElementById("viewer").append(element);
    place(element, button);
    open = { element: element, button: button };
    button.setAttribute("aria-expanded", "true");
    let first = element.querySelector("[aria-checked=true]") || element.querySelector("button");
    if (first) first.focus();
    element.addEventListener("keydown", onKey);
  }

  function place(element, button) {
    let box = button.getBoundingClientRect(), width = element.offsetWidth, height = element.offsetHeight;
    let below = box.bottom + 4 + height <= window.innerHeight;
    element.style.left = Math.max(4, Math.min(box.left, window.innerWidth - width - 4)) + "px";
    element.style.top = Math.max(4, below ? box.bottom + 4 : box.top - height - 4) + "px";
  }

  function onKey(event) {
    let all = Array.from(open.element.querySelectorAll("button")), at = all.indexOf(document.activeElement);
    let moves = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 };
    event.stopPropagation();
    if (event.key === "Escape") close(true);
    else if (event.key === "Tab") close(false);
    else if (moves[event.key] !== undefined) {
      event.preventDefault();
      all[moves[event.key] % all.length].focus();
    }
  }

  document.addEventListener("pointerdown", event => {
    if (open && !open.element.contains(event.target) && !open.button.contains(event.target)) close(false);
  }, true);

  return { show: show, close: close };
})();
