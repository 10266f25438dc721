/* What is on the disc, as the page sees it: entries of the series list, and their frames. */
MKISO.disc = (function () {
  "use strict";
  let manifest = null, entries = [], indexes = new Map(), keyed = new Map();

  /* One entry for each stack; the title of a stack stands for a series' description. */
  function take(content) {
    manifest = content;
    entries = [];
    (content.studies || []).forEach(study => {
      (study.series || []).forEach(name => {
        let series = content.series[name];
        if (!series) return;
        let hidden = null;
        (series.stacks || []).forEach((stack, number) => {
          /* objects of one series that cannot be shown are one entry, not fifty */
          if (stack.kind === "none" && hidden) { hidden.others.push(stack); return; }
          if (stack.kind === "none") hidden = { others: [] };
          entries.push({
            others: stack.kind === "none" ? hidden.others : [],
            id: name + "/" + number, name: name, number: number, study: study, series: series,
            stack: stack, kind: stack.kind, frames: null
          });
        });
      });
    });
    keyEntries();
    return entries;
  }

  /* Key objects become an entry of their own that shows the images they name (PS3.3 A.35.4). */
  function keyEntries() {
    keyed = new Map();
    (manifest.key_objects || []).forEach(object => {
      (object.references || []).filter(each => each.at).forEach(each => {
        let place = each.at.join("/");
        keyed.set(place, (keyed.get(place) || []).concat([{ object: object, frames: each.frames }]));
      });
      let entry = entries.find(each => holds(each, object.at));
      let references = (object.references || []).filter(each => each.at);
      if (!entry || !references.length) return;
      entry.key = object;
      entry.references = references;
    });
  }

  function holds(entry, at) {
    return entry.name === at[0] && [entry.stack].concat(entry.others).some(stack => membersOf(stack).indexOf(at[1]) >= 0);
  }

  function membersOf(stack) {
    if (stack.members) return stack.members;
    let list = [], index;
    for (index = 0; index < stack.instances; index++) list.push(stack.first + index);
    return list;
  }

  /* The series' index; asked for once, and again after a failure. */
  function index(name) {
    if (!indexes.has(name)) {
      let series = manifest.series[name];
      let promise = series ? MKISO.loader.file(series.index, name).then(inherit.bind(null, name))
        : Promise.reject(new Error("missing"));
      indexes.set(name, promise);
      promise.catch(() => { indexes.delete(name); });
    }
    return indexes.get(name);
  }

  /* An attribute of the series holds for each instance, one of the instance for each frame. */
  function inherit(name, content) {
    let common = content.common || {};
    common.modality = common.modality || manifest.series[name].modality;
    content.instances.forEach((instance, place) => {
      Object.setPrototypeOf(instance, common);
      instance.series = name;
      instance.place = place;
      (instance.frames || []).forEach((frame, number) => {
        Object.setPrototypeOf(frame, instance);
        frame.key = name + "/" + place + "/" + number;
        frame.frameNumber = number + 1;
        frame.instance = instance;
      });
    });
    return content;
  }

  /* {instances, frames} of an entry. */
  function open(entry) {
    if (entry.references) return openReferences(entry);
    return index(entry.name).then(content => {
      let instances = membersOf(entry.stack).map(place => content.instances[place]);
      if (!instances.every(Boolean)) throw new Error("damaged");
      entry.frames = framesOf(instances);
      return { instances: instances, frames: entry.frames };
    });
  }

  function framesOf(instances) {
    let list = [];
    instances.forEach(instance => { if (instance.kind === "image") (instance.frames || []).forEach(frame => { list.push(frame); }); });
    return list;
  }

  function openReferences(entry) {
    return Promise.all(entry.references.map(resolve)).then(lists => {
      entry.frames = [].concat.apply([], lists);
      if (!entry.frames.length) throw new Error("missing");
      return { instances: [], frames: entry.frames };
    });
  }

  /* The frames that a reference names; none when it is not on this disc. */
  function resolve(reference) {
    if (!reference.at) return Promise.resolve([]);
    return index(reference.at[0]).then(content => {
      let instance = content.instances[reference.at[1]];
      let all = instance ? framesOf([instance]) : [];
      if (!reference.frames) return all;
      return reference.frames.map(number => all[number - 1]).filter(Boolean);
    });
  }

  /* The entry that shows an instance, and where in it. */
  function find(reference) {
    if (!reference.at) return null;
    return entries.find(each => !each.references && holds(each, reference.at)) || null;
  }

  /* The place of a referenced instance in the entry's stack, from 0. */
  function placeIn(entry, reference) { return membersOf(entry.stack).indexOf(reference.at[1]); }

  function presentationsFor(name) {
    let series = manifest.series[name], all = manifest.presentation_states || [];
    return ((series && series.presentation_states) || []).map(at => {
      let found = all.find(each => each.at[0] === at[0] && each.at[1] === at[1]);
      return { at: at, label: (found && (found.label || found.description)) || "" };
    });
  }

  /* The label of a presentation state, which its series seldom describes. */
  function labelOf(entry) {
    let found = (manifest.presentation_states || []).find(each => entry.kind === "presentation_state" && holds(entry, each.at));
    return found ? found.label || found.description || "" : "";
  }

  function presentation(at) {
    return index(at[0]).then(content => {
      let instance = content.instances[at[1]];
      if (!instance || !instance.presentation_state) throw new Error("damaged");
      return instance.presentation_state;
    });
  }

  /* Whether a list of references (none: everything) means this frame. */
  function isMeant(references, frame) {
    if (!references) return true;
    return references.some(reference => reference.uid === frame.uid &&
        (!reference.frames || reference.frames.indexOf(frame.frameNumber) >= 0));
  }

  /* The key objects that name this frame. */
  function keysOf(frame) {
    let found = frame.instance ? keyed.get(frame.series + "/" + frame.instance.place) || [] : [];
    return found.filter(each => !each.frames || each.frames.indexOf(frame.frameNumber) >= 0).map(each => each.object);
  }

  /* The patient of a study. A disc on demand may hold several; then nobody's name is better than
     another's. */
  function patientOf(study) {
    let all = manifest.patients || [], place = study ? study.patient : undefined;
    if (all[place]) return all[place];
    return all.length === 1 ? all[0] : { name: {}, several: all.length > 1 };
  }

  return {
    take: take, open: open, find: find, placeIn: placeIn, labelOf: labelOf, resolve: resolve, presentationsFor: presentationsFor,
    presentation: presentation, isMeant: isMeant, keysOf: keysOf,
    isKey: frame => keysOf(frame).length > 0,
    entries: () => entries,
    manifest: () => manifest,
    patientOf: patientOf
  };
})();
