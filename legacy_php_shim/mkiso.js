/* Moves the progress of a job under way; the server renders everything else. */
(function () {
  "use strict";
  var job = document.getElementById("job");
  var bar = document.getElementById("part");
  var text = document.getElementById("text");
  var line = document.getElementById("line");
  var title = document.title;
  var pause = 200;

  function later(longest) {
    pause = Math.min(pause * 1.5, longest);
    window.setTimeout(ask, pause);
  }

  function show(progress) {
    if (progress.part === null) {
      bar.removeAttribute("value");
    } else {
      bar.value = progress.part;
    }
    if (text.textContent !== progress.text) {
      text.textContent = progress.text;
    }
    line.textContent = progress.line;
    document.title = progress.text + " \u2013 " + title;
  }

  function ask() {
    var request = new XMLHttpRequest();
    request.open("GET", job.getAttribute("data-status"));
    request.timeout = 15000;
    request.onload = function () {
      if (request.status !== 202) {
        window.location.reload();
        return;
      }
      show(JSON.parse(request.responseText).progress);
      later(1500);
    };
    request.onerror = request.ontimeout = function () {
      line.textContent = "The connection is lost; the work goes on. Trying to reach it again.";
      later(10000);
    };
    request.send();
  }

  later(1500);
})();
