"use strict";

/* Charts of a run over time, drawn by uPlot in the page's colours. */

const OUTCOMES = [["ok", "--ok-fill"], ["late", "--late-fill"], ["failed", "--bad-fill"], ["lost", "--lost-fill"], ["dropped", "--drop-fill"]];
const QUANTILES = [["p50", "--line-1"], ["p90", "--line-2"], ["p95", "--line-3"], ["p99", "--line-4"], ["max", "--soft"]];

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const WHOLE_STEPS = Array.from({ length: 8 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** The charts of one run. `show` draws what the server answered; `close` takes everything away. */
function openCharts() {
  const held = { found: null, plots: [], isChosen: false };
  const draw = () => drawCharts(held);
  const resized = new ResizeObserver(() => {
    for (const { plot, place } of held.plots) plot.setSize({ width: place.clientWidth, height: heightOf(place) });
  });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", draw);
  byId("chart-operation").onchange = () => {
    held.isChosen = true;
    draw();
  };
  for (const id of ["chart-latency", "chart-log"]) byId(id).onchange = draw;
  for (const id of ["plot-latency", "plot-throughput", "plot-flight"]) resized.observe(byId(id));
  fill(byId("chart-operation"));
  byId("plots").hidden = true;
  byId("charts-none").hidden = false;
  return {
    show(found) {
      held.found = found;
      draw();
    },
    close() {
      scheme.removeEventListener("change", draw);
      resized.disconnect();
      clear(held);
    },
  };
}

function clear(held) {
  for (const { plot } of held.plots) plot.destroy();
  held.plots = [];
}

function drawCharts(held) {
  const found = held.found;
  const names = Object.keys(found?.operations ?? {});
  const isEmpty = !names.length || !found.t?.length;
  byId("plots").hidden = isEmpty;
  byId("charts-none").hidden = !isEmpty;
  if (isEmpty) return;
  offer(names, held.isChosen ? byId("chart-operation").value : found.mainOperation);
  const operation = byId("chart-operation").value;
  const { numbers, t } = since(found, operation);
  clear(held);
  const plots = { "plot-latency": latencyPlot, "plot-throughput": throughputPlot, "plot-flight": flightPlot };
  held.plots = Object.entries(plots).map(([id, make]) => {
    const place = byId(id);
    const { series, data, bands, scale, summary } = make(numbers, t, found.intervalS);
    place.setAttribute("aria-label", `${operation}: ${summary}`);
    const latest = t.findLastIndex((_, at) => data.some((values) => (values[at] ?? null) !== null)); // shown while nobody points
    const options = {
      width: place.clientWidth || 300, height: heightOf(place), series: [{ label: "at", value: (_, at) => (at === null ? NOTHING : clock(at)) }, ...series], bands,
      axes: axes(id === "plot-flight"), cursor: { sync: { key: "run" }, points: { size: 6 }, drag: { x: false, y: false } },
      scales: { x: { time: false }, y: scale ?? { range: (_, _low, high) => [0, high > 0 ? high * 1.08 : 1] } }, legend: { markers: { width: 0, fill: (plot, index) => series[index - 1]?.stroke ?? "transparent" } },
      hooks: { setCursor: [(plot) => plot.cursor.idx === null && plot.setLegend({ idx: latest }, false)] },
    };
    const plot = new uPlot(options, [t, ...data], place);
    plot.setLegend({ idx: latest }, false);
    return { place, plot };
  });
}

/** The operation's numbers from when it first occurred: what it did before is nothing. */
function since(found, operation) {
  const numbers = found.operations[operation];
  const first = Math.max(0, found.t.findIndex((_, at) => ["due", "ok", "failed", "late", "lost", "dropped"].some((name) => numbers[name]?.[at])));
  const cut = (value) => (Array.isArray(value) ? value.slice(first) : typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, cut(inner)])) : value);
  return { numbers: cut(numbers), t: found.t.slice(first) };
}

function heightOf(place) {
  return place.id === "plot-latency" ? 240 : 190;
}

function offer(names, wanted) {
  const select = byId("chart-operation");
  if ([...select.options].map((option) => option.value).join() !== names.join()) fill(select, names.map((name) => h("option", {}, name)));
  select.value = names.includes(wanted) ? wanted : names[0];
}

/** A colour of the style sheet as a canvas takes it, of that opacity. */
function colour(name, opacity = 1) {
  const probe = byId("plots");
  probe.style.color = `var(${name})`;
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g);
  probe.style.color = "";
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}

function axes(isWhole) {
  const stroke = colour("--soft");
  const grid = { stroke: colour("--grid"), width: 1 };
  const font = "11px system-ui, sans-serif";
  return [
    { stroke, grid, ticks: grid, font, values: (_, splits) => splits.map(clock), size: 28, space: 60, incrs: TIME_STEPS },
    { stroke, grid, ticks: grid, font, values: (_, splits) => splits.map((at) => (at === null ? "" : short(at))), size: 58, ...(isWhole ? { incrs: WHOLE_STEPS } : {}) },
  ];
}

function short(number) {
  return Number(number.toPrecision(3)).toLocaleString("en-US");
}

const hasAny = (values) => Array.isArray(values) && values.some((value) => value !== null && value !== undefined);
const last = (values) => values.findLast((value) => value !== null && value !== undefined);

function latencyPlot(numbers) {
  const found = numbers[byId("chart-latency").value] ?? {};
  const isLog = byId("chart-log").checked;
  const drawn = QUANTILES.filter(([name]) => hasAny(found[name]));
  const data = drawn.map(([name]) => found[name].map((value) => (isLog && value !== null && value <= 0 ? null : value)));
  const bands = drawn.slice(1).map(([name, tint], index) => ({ series: [index + 2, index + 1], fill: name === "max" ? "transparent" : colour(tint, 0.16) }));
  const series = drawn.map(([name, tint]) => ({
    label: name, stroke: colour(tint), width: name === "p50" || name === "p95" ? 2 : 1, dash: name === "max" ? [3, 4] : undefined,
    value: (_, value) => (value === null ? NOTHING : figure(value)), points: { show: data[0].length < 40, size: 4 },
  }));
  const summary = drawn.map(([name]) => `${name} ${figure(last(found[name]))} ms`).join(", ") || "no latency was measured";
  return { series, data, bands, scale: isLog ? { distr: 3 } : undefined, summary: `latency, last ${summary}` };
}

/** Outcomes upon each other: each line is drawn at its sum with those below it, and says its own number. */
function throughputPlot(numbers, t, intervalS) {
  const drawn = OUTCOMES.filter(([name]) => name === "ok" || (numbers[name] ?? []).some((value) => value > 0));
  const own = drawn.map(([name]) => t.map((_, at) => perSecond(numbers[name]?.[at], intervalS)));
  const sums = own.map((_, index) => t.map((__, at) => own.slice(0, index + 1).reduce((sum, values) => sum + (values[at] ?? 0), 0)));
  const series = drawn.map(([name, tint], index) => ({
    label: name, stroke: colour(tint), width: 1.5, fill: index ? undefined : colour(tint, 0.3), points: { show: t.length < 40, size: 4 },
    value: (_, __, ___, at) => (at === null || at === undefined ? NOTHING : figure(own[index][at])),
  }));
  const bands = drawn.slice(1).map(([, tint], index) => ({ series: [index + 2, index + 1], fill: colour(tint, 0.3) }));
  const summary = drawn.map(([name], index) => `${name} ${figure(last(own[index]))} per second`).join(", ");
  return { series, data: sums, bands, summary: `throughput, last ${summary}` };
}

function perSecond(many, intervalS) {
  return many === null || many === undefined || !intervalS ? null : many / intervalS;
}

function flightPlot(numbers) {
  const data = numbers.inFlight ?? [];
  const series = [{
    label: "in flight", stroke: colour("--accent"), width: 1.5, fill: colour("--accent", 0.14), points: { show: data.length < 40, size: 4 },
    value: (_, value) => (value === null ? NOTHING : whole(value)),
  }];
  return { series, data: [data], bands: [], summary: `in flight, last ${whole(last(data))}` };
}
