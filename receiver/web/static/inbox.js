// What a page does beside htmx: times as the reader's clock shows them, and a filter that reads them
// so. Without it everything is in UTC, and works.
"use strict";
(function () {
  const short = new Intl.DateTimeFormat(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
  const today = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});

  function tellTimes(root) {
    const now = new Date().toDateString();
    for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
      const moment = new Date(element.dateTime);
      if (isNaN(moment)) continue;
      element.textContent = (moment.toDateString() === now ? today : short).format(moment);
      element.dataset.local = "";
    }
  }

  function local(minute) {
    const moment = new Date(minute + "Z");
    return new Date(moment - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  }

  function fitFilter(form) {
    for (const input of form.querySelectorAll("input[data-utc]")) if (input.value) input.value = local(input.value);
    for (const zone of form.querySelectorAll(".zone")) zone.hidden = true;
    form.elements.offset.value = new Date().getTimezoneOffset();
    if (matchMedia("(max-width: 640px)").matches) form.closest("details").open = false;
  }

  document.addEventListener("DOMContentLoaded", function () {
    tellTimes(document);
    const form = document.querySelector(".filters form");
    if (form) fitFilter(form);
  });
  document.addEventListener("htmx:afterSettle", function () { tellTimes(document); });
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (event.target.id === "pulse" && document.hidden) event.preventDefault(); // nobody looks
  });
  function pulse(word, paused) {
    const element = document.getElementById("pulse");
    if (!element) return;
    element.toggleAttribute("data-paused", paused);
    element.querySelector(".word").textContent = word;
  }
  document.addEventListener("htmx:sendError", function () { pulse("Not live: the server does not answer", true); });
  document.addEventListener("htmx:responseError", function () { pulse("Not live: see the log, or reload", true); });
  document.addEventListener("htmx:afterOnLoad", function (event) {
    if (event.detail.successful && event.target.id === "pulse") pulse("Live", false);
  });
})();
