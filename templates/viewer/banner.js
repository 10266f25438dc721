/* The head of the page: whose images these are, and what the whole page offers. */
MKISO.banner = (function () {
  "use strict";
  let dom = MKISO.dom, words = MKISO.words, cornerText = MKISO.cornerText, who = null;

  function build(app) {
    let button = name => MKISO.toolbar.makeButton(name, name === "contents" ? "disc" : name, { list: "b", help: "h", full: "g" }[name] || "", event => { app.press(name, event.currentTarget); });
    who = dom.make("div.who");
    let logo = document.querySelector("img.logo"), language = button("language");
    language.setAttribute("aria-haspopup", "menu");
    return dom.make("header.banner", {}, [
      button("list"), logo ? logo.cloneNode() : null, who, MKISO.toolbar.build(app),
      dom.make("div.aside", {}, [language, button("contents"), button("full"), button("help")])
    ]);
  }

  function update(entry) {
    let first = MKISO.disc.entries()[0], patient = MKISO.disc.patientOf((entry || first || {}).study);
    let name = patient.name || {};
    let others = [name.ideographic, name.phonetic].filter(name.alphabetic ? Boolean : () => false);
    let details = [patient.patient_id, patient.birth_date && words.text("patient.born", { date: patient.birth_date }), cornerText.sexOf(patient)].filter(Boolean);
    let wanted = JSON.stringify([name, details, words.language(), !!patient.several]);
    if (who.shownText === wanted) return;
    who.shownText = wanted;
    dom.clear(who).append(
      dom.make("span.name", {}, [
        dom.make("strong", {}, dom.isolated(name.alphabetic || name.ideographic || name.phonetic || cornerText.nameOf(patient))),
        dom.make("span.others", {}, others.map(each => dom.isolated(each)))
      ]),
      dom.make("span.details", {}, details.map(each => dom.isolated(each)))
    );
  }

  /* The permanent line at the foot, and what must not be overlooked about this disc. */
  function notice() {
    let manifest = MKISO.disc.manifest(), texts = [];
    if (manifest.complete === false) texts.push(dom.make("strong.warn", {}, words.text("disc.incomplete")));
    if (manifest.of > 1) texts.push(dom.make("span", {}, words.text("disc.number", { number: manifest.number, of: manifest.of })));
    let preview = Object.keys(manifest.series).some(name => manifest.series[name].preview);
    texts.push(dom.make("span", {}, words.text(preview ? "notice.preview" : "notice.lossless")), dom.make("span", {}, words.text("notice.device")));
    return dom.make("footer.notice", {}, texts);
  }

  return { build: build, update: update, notice: notice };
})();
