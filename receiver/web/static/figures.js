// Draws each table of the figures as a chart. The tables stay, for whoever would rather read them.
"use strict";
(function () {
  const dashes = [[], [6, 4], [2, 3], [10, 4, 2, 4], [4, 2], [1, 4]];

  // What is good and bad has its colour everywhere; all else by its place.
  const meaning = {delivered: "--good", failed: "--bad"};

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function read(figure) {
    const names = [...figure.querySelectorAll("thead th")].slice(1).map((cell) => cell.textContent);
    const rows = [...figure.querySelectorAll("tbody tr")];
    const times = rows.map((row) => new Date(row.querySelector("time").dateTime) / 1000);
    const values = names.map((_, n) => rows.map(function (row) {
      const text = row.cells[n + 1].textContent;
      return text === "–" ? null : Number(text);
    }));
    return {names, data: [times, ...values]};
  }

  // Bars stand on each other: each line is drawn with what is below it, the highest first.
  function stacked(data) {
    const sums = data[0].map(() => 0);
    return [data[0], ...data.slice(1).map((values) => values.map((value, n) => value ? sums[n] += value : null))];
  }

  // A point with nothing beside it would be no line at all.
  function lonely(values) {
    const found = [];
    values.forEach((value, n) => { if (value != null && values[n - 1] == null && values[n + 1] == null) found.push(n); });
    return found;
  }

  function draw(figure) {
    const place = figure.querySelector(".chart");
    if (!place) return;
    const {names, data} = read(figure), bars = figure.dataset.kind === "bars", unit = figure.dataset.unit;
    const step = data[0][1] - data[0][0], order = names.map((_, n) => n);
    if (bars) order.reverse();
    const heights = bars ? stacked(data) : data;
    const shown = (value) => value == null ? "–" : Math.round(value * 10) / 10 + (unit ? " " + unit : "");
    const axis = {stroke: colour("--soft"), grid: {stroke: colour("--line"), width: 1}, ticks: {stroke: colour("--line"), width: 1}, font: "12px system-ui, sans-serif"};
    place.replaceChildren();
    const plot = new uPlot({
      width: place.clientWidth, height: 210, cursor: {drag: {x: false, y: false}},
      scales: {x: {range: (_, low, high) => [low, high + (bars ? step : 0)]}, y: {range: (_, low, high) => [0, Math.max(unit === "%" ? 100 : high, unit === "ms" ? 0.1 : 1) * (unit === "%" ? 1.02 : 1.08)]}},
      axes: [{...axis, values: [[86400, "{MMM} {D}", null, null, null, null, null, null, 1], [3600, "{HH}:{mm}", "\n{MMM} {D}", null, "\n{MMM} {D}", null, null, null, 1], [60, "{HH}:{mm}", null, null, null, null, null, null, 1]]},
        {...axis, size: (plot, values) => 20 + 7 * Math.max(3, ...(values || []).map((value) => String(value).length)), incrs: unit ? undefined : [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 1000000]}],
      series: [{value: (_, at) => at == null ? "–" : new Date(at * 1000).toLocaleString(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23"}), label: "from"}].concat(order.map(function (n) {
        const ink = colour(meaning[names[n]] || "--c" + (n + 1));
        return {
          label: names[n], stroke: ink, width: bars ? 1 : 2, dash: bars ? undefined : dashes[n], fill: bars ? ink : undefined,
          paths: bars ? uPlot.paths.bars({size: [0.8, 40], align: 1}) : undefined,
          points: bars ? {show: false} : {show: true, size: 5, filter: (plot, at) => lonely(plot.data[at])}, spanGaps: false,
          value: (_, __, ___, at) => at == null ? "–" : shown(data[n + 1][at]),
        };
      })),
    }, [heights[0], ...order.map((n) => heights[n + 1])], place);
    new ResizeObserver(function () { plot.setSize({width: place.clientWidth, height: 210}); }).observe(place);
  }

  function drawAll() { document.querySelectorAll("figure").forEach(draw); }
  document.addEventListener("DOMContentLoaded", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
