/* Plays a stack at the file's own pace, frame by frame: a frame that is not there yet is waited for. */
MKISO.cine = (function () {
  "use strict";
  let DEFAULT_RATE = 15, playing = new Map();

  /* Frames per second (PS3.3 C.7.6.5.1.1): Frame Time, its vector's mean, or a rate. */
  function rateOf(frame) {
    if (!frame) return DEFAULT_RATE;
    if (frame.recommended_display_frame_rate > 0) return frame.recommended_display_frame_rate;
    if (frame.cine_rate > 0) return frame.cine_rate;
    if (frame.frame_time > 0) return 1000 / frame.frame_time;
    if (Array.isArray(frame.frame_time_vector) && frame.frame_time_vector.length > 1) {
      let times = frame.frame_time_vector.slice(1), sum = times.reduce((a, b) => a + b, 0);
      if (sum > 0) return 1000 * times.length / sum;
    }
    return frame.actual_frame_duration > 0 ? 1000 / frame.actual_frame_duration : DEFAULT_RATE;
  }

  /* Milliseconds until the frame after `index`. */
  function pauseAfter(state, viewport) {
    let vector = viewport.frames[0].frame_time_vector;
    let own = Array.isArray(vector) && vector.length === viewport.frames.length ? vector[(viewport.wanted + 1) % vector.length] : 0;
    if (state.rate === null && own > 0) return own;
    return 1000 / (state.rate || rateOf(viewport.frames[0]));
  }

  /* C.7.6.5.1.1 Preferred Playback Sequencing: 0 looping, 1 sweeping. */
  function nextIndex(state, viewport) {
    let ends = endsOf(viewport.frames), index = viewport.wanted;
    if (viewport.frames[0].preferred_playback_sequencing === 1) {
      if (index >= ends[1]) state.way = -1;
      if (index <= ends[0]) state.way = 1;
      return index + state.way;
    }
    return index >= ends[1] || index < ends[0] ? ends[0] : index + 1;
  }

  /* Start Trim and Stop Trim (C.7.6.5): the first and the last frame to be played, from 1. */
  function endsOf(frames) {
    let last = frames.length - 1, from = (frames[0].start_trim || 1) - 1, to = (frames[0].stop_trim || last + 1) - 1;
    return from >= 0 && to <= last && from < to ? [from, to] : [0, last];
  }

  function tick(viewport) {
    let state = playing.get(viewport);
    if (!state) return;
    if (viewport.frames.length < 2 || viewport.entry !== state.entry) { stop(viewport); return; }
    if (viewport.shown === viewport.wanted) {
      state.due += pauseAfter(state, viewport);
      state.due = Math.max(state.due, performance.now() - 100);
      state.host.went(viewport, nextIndex(state, viewport));
      state.shownFrames++;
    }
    state.timer = setTimeout(() => { tick(viewport); }, Math.max(4, state.due - performance.now()));
  }

  function start(viewport, host, rate) {
    stop(viewport);
    if (viewport.frames.length < 2) return;
    let state = { host: host, rate: rate || null, way: 1, due: performance.now(), entry: viewport.entry, shownFrames: 0 };
    playing.set(viewport, state);
    tick(viewport);
    host.changed(viewport);
  }

  function stop(viewport) {
    let state = playing.get(viewport);
    if (!state) return;
    clearTimeout(state.timer);
    playing.delete(viewport);
    state.host.changed(viewport);
  }

  function setRate(viewport, rate) {
    let state = playing.get(viewport);
    if (state) state.rate = rate;
  }

  return { start: start, stop: stop, setRate: setRate, rateOf: rateOf, endsOf: endsOf, isPlaying: viewport => playing.has(viewport),
    shownFrames: viewport => (playing.get(viewport) || {}).shownFrames };
})();
