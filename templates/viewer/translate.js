/* The words of the page. A language is one file in locales/: keys and texts, nothing else; English
   stands in for what a language lacks. */
MKISO.locales = {};
MKISO.locale = (code, texts) => { "use strict"; MKISO.locales[code] = texts; };

MKISO.words = (function () {
  "use strict";
  let current = "en", listeners = [];

  function template(key) {
    let own = MKISO.locales[current] || {}, english = MKISO.locales.en || {};
    return own[key] !== undefined ? own[key] : english[key];
  }

  /* `{name}` in a text stands for values.name. */
  function text(key, values) {
    let words = template(key);
    if (words === undefined) return key;
    return words.replace(/\{(\w+)\}/g, (whole, name) => values && values[name] !== undefined ? String(values[name]) : whole);
  }

  /* key.one, key.other ... by the language's own rule; {n} is the number. */
  function count(key, n) {
    let form = "other";
    if (Intl.PluralRules) form = new Intl.PluralRules(current).select(n);
    else if (n === 1) form = "one";
    let exact = key + "." + form;
    return text(template(exact) === undefined ? key + ".other" : exact, { n: number(n, 0) });
  }

  function number(value, digits) {
    if (typeof value !== "number" || !isFinite(value)) return String(value);
    /* no grouping: half of the languages would read a window of 1,400 as 1.4 */
    return value.toFixed(digits).replace(".", template("decimal"));
  }

  function has(key) { return template(key) !== undefined; }

  /* The first of the person's languages that we have. */
  function choose(wanted) {
    let found = (wanted || []).map(tag => String(tag).toLowerCase().split("-")[0]).find(code => MKISO.locales[code]);
    return found || "en";
  }

  function use(code) {
    current = MKISO.locales[code] ? code : "en";
    listeners.forEach(listener => { listener(current); });
  }

  return {
    text: text, count: count, number: number, has: has, choose: choose, use: use,
    language: () => current,
    languages: () => Object.keys(MKISO.locales),
    onChange: listener => { listeners.push(listener); }
  };
})();
