"use strict";
// The report's charts and its few controls. Data is in the page as JSON; nothing is loaded.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts-data");
  const limits = read("limits-data");
  const root = document.documentElement;
  const dimmed = matchMedia("(prefers-color-scheme: dark)");
  const EPSILON = 1e-6;
  const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

  // ---- words ----
  const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const fine = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
  const number = (value) => (value == null ? "–" : Math.abs(value) < 1000 ? fine.format(value) : whole.format(value));
  const span = (seconds) => {
    const sign = seconds < 0 ? "-" : "";
    const all = Math.abs(seconds);
    if (all < 60) return `${sign}${Math.round(all * 10) / 10}s`;
    const rest = Math.round(all);
    const [hours, minutes, last] = [Math.floor(rest / 3600), Math.floor((rest % 3600) / 60), rest % 60];
    return sign + (hours ? `${hours}h` : "") + (minutes ? `${minutes}m` : "") + (last ? `${last}s` : "");
  };

  // ---- colours, as the style sheet has them ----
  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;
  const color = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const faded = (name, alpha) => {
    const found = color(name).match(/[\d.]+/g);
    return `rgba(${found.slice(0, 3).join(",")},${alpha})`;
  };

  // ---- what is drawn ----
  const OUTCOMES = {
    ok: "ok-fill", late: "late-fill", lost: "lost-fill", dropped: "drop-fill", cancelled: "rule",
    throttled: "line-3", server: "bad-fill", unusable: "other", timeout: "line-2", disconnected: "line-1",
  };
  const SPARE = ["line-5", "lost-fill", "h5", "warn", "h3", "bad", "soft", "h6"];
  const byOutcome = (outcomes) => {
    const first = ["ok", "late"].filter((name) => name in outcomes);
    return [...first, ...Object.keys(outcomes).filter((name) => !first.includes(name))];
  };
  const percentiles = (kind, operation) => {
    const found = charts.operations[operation][kind];
    return {
      lines: [
        { name: "p50", values: found.p50, color: "line-1", width: 2 },
        { name: "p90", values: found.p90, color: "line-2", width: 1.25, hidden: true },
        { name: "p95", values: found.p95, color: "line-2", width: 1.75 },
        { name: "p99", values: found.p99, color: "line-3", width: 1.25, dash: [5, 3] },
        { name: "max", values: found.max, color: "line-4", width: 1, dash: [1, 3], hidden: true },
      ],
      bands: [[3, 1, 0.22], [4, 3, 0.1]],
      limits: limits.filter((limit) => limit.operation === operation && limit.latency === kind),
      isLatency: true,
      unit: " ms",
    };
  };
  const KINDS = {
    intended: (operation) => percentiles("intended", operation),
    actual: (operation) => percentiles("actual", operation),
    throughput: (operation) => {
      const { outcomes } = charts.operations[operation];
      let spare = 0;
      const lines = byOutcome(outcomes).map((name) => ({
        name,
        values: outcomes[name].map((many) => many / charts.intervalS),
        color: OUTCOMES[name] ?? SPARE[spare++ % SPARE.length],
      }));
      return { lines, isStacked: true, unit: "/s" };
    },
    inflight: (operation) => ({
      lines: [{ name: "in flight", values: charts.operations[operation].inFlight, color: "line-1", width: 2, fill: 0.1 }],
      unit: "",
    }),
    lag: () => ({
      lines: [
        { name: "loop lag", values: charts.health.lagP99Ms, color: "line-1", width: 2 },
        { name: "lateness of starts", values: charts.health.latenessP99Ms, color: "line-3", width: 1.5, dash: [5, 3] },
      ],
      limits: [{ ms: 250, text: "lag limit 250 ms" }],
      unit: " ms",
    }),
    share: () => ({
      lines: [
        { name: "CPU", values: hundredfold(charts.health.cpuShare), color: "line-1", width: 2 },
        { name: "descriptors", values: hundredfold(charts.health.descriptorShare), color: "line-3", width: 1.5, dash: [5, 3] },
      ],
      limits: [{ ms: 90, text: "limit 90 %" }],
      unit: " %",
    }),
  };
  const hundredfold = (values) => values.map((value) => (value == null ? null : value * 100));

  // A window's value holds from its begin to its end: two points, so that lines are steps and gaps are seen.
  const twice = (values) => values.flatMap((value) => [value, value]);
  const times = charts.t.flatMap((begin) => [begin, begin + charts.intervalS * (1 - EPSILON)]);
  const ends = [charts.t[0], charts.t.at(-1) + charts.intervalS];

  const state = { operation: charts.mainOperation, isLogarithmic: false, zoom: null, hidden: new Set() };
  if (!(state.operation in charts.operations)) state.operation = Object.keys(charts.operations)[0];
  const drawn = new Map();

  const latencies = () =>
    ["intended", "actual"].flatMap((kind) => {
      const shown = KINDS[kind](state.operation).lines.filter((line) => !isHidden(kind, line));
      return shown.flatMap((line) => line.values.filter((value) => value != null));
    });
  function scaleOf(found) {
    if (!found.isLatency) return { range: (_, low, high) => [0, high * 1.06 || 1] };
    const [low, high] = latencies().reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, 0]);
    if (!high) return { range: [0, 1] };
    return state.isLogarithmic ? { distr: 3, range: () => uPlot.rangeLog(low, high, 10, false) } : { range: [0, high * 1.06] };
  }
  // Both latencies show the same percentiles, on the same scale: so they can be compared.
  const switchOf = (kind, line) => `${kind === "actual" ? "intended" : kind} ${line.name}`;
  const isHidden = (kind, line) => state.hidden.has(switchOf(kind, line)) !== Boolean(line.hidden);

  function dataOf(kind, found) {
    if (!found.isStacked) return [times, ...found.lines.map((line) => twice(line.values))];
    const level = charts.t.map(() => 0);
    const stacked = found.lines.map((line) => {
      if (isHidden(kind, line)) return level.map(() => null);
      return line.values.map((value, index) => (level[index] += value ?? 0));
    });
    return [times, ...stacked.map(twice)];
  }

  function draw(figure) {
    const kind = figure.dataset.chart;
    const plot = figure.querySelector(".plot");
    drawn.get(figure)?.chart.destroy();
    drawn.delete(figure);
    plot.replaceChildren();
    const found = KINDS[kind](state.operation);
    const key = figure.querySelector(".key");
    key.replaceChildren(...found.lines.map((line) => keyOf(figure, kind, line, found)));
    if (!found.lines.some((line) => line.values.some((value) => value != null))) {
      plot.append(Object.assign(document.createElement("p"), { className: "note", textContent: "nothing was measured" }));
      return;
    }
    const order = found.isStacked ? found.lines.map((_, index) => found.lines.length - index) : found.lines.map((_, index) => index + 1);
    const data = dataOf(kind, found);
    const text = color("soft");
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: text, font, grid: { stroke: color("grid"), width: 1 }, ticks: { show: false } };
    const options = {
      width: plot.clientWidth,
      height: plot.clientHeight,
      padding: [6, 14, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: true, y: false },
        bind: { dblclick: () => () => reset() },
      },
      scales: {
        x: { time: false, range: (_, low, high) => (low == null ? ends : [low, high]) },
        y: scaleOf(found),
      },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map(span), incrs: STEPS_S, space: 60, size: 26, gap: 4, grid: { show: false } },
        { ...axis, values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : number(tick))), size: 52, gap: 4, space: 34 },
      ],
      series: [
        {},
        ...order.map((index) => {
          const line = found.lines[index - 1];
          return {
            label: line.name,
            show: found.isStacked || !isHidden(kind, line),
            stroke: color(line.color),
            width: found.isStacked ? 0 : line.width,
            dash: line.dash,
            fill: found.isStacked ? color(line.color) : line.fill ? faded(line.color, line.fill) : undefined,
            points: { show: false },
          };
        }),
      ],
      bands: (found.bands ?? [])
        .filter(([upper, lower]) => !isHidden(kind, found.lines[upper - 1]) && !isHidden(kind, found.lines[lower - 1]))
        .map(([upper, lower, alpha]) => ({ series: [upper, lower], fill: faded("line-2", alpha) })),
      hooks: {
        setCursor: [(chart) => follow(figure, chart.cursor.idx)],
        setScale: [(chart, scale) => scale === "x" && zoomed(chart)],
        drawAxes: [(chart) => inside(chart, font, markPhases)],
        draw: [(chart) => inside(chart, font, (ctx, box) => markLimits(ctx, box, chart, found.limits ?? []))],
      },
    };
    const chart = new uPlot(options, [data[0], ...order.map((index) => data[index])], plot);
    drawn.set(figure, { chart, found, kind });
    if (state.zoom) chart.setScale("x", state.zoom);
  }

  function keyOf(figure, kind, line, found) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    const swatch = document.createElement("i");
    if (found.isStacked) {
      swatch.className = "block";
      swatch.style.background = color(line.color);
    } else {
      swatch.style.borderTopColor = color(line.color);
      swatch.style.borderTopStyle = !line.dash ? "solid" : line.dash[0] > 1 ? "dashed" : "dotted";
      swatch.style.borderTopWidth = `${Math.max(1.5, line.width)}px`;
    }
    const value = document.createElement("b");
    value.dataset.line = line.name;
    button.append(swatch, line.name, " ", value);
    button.setAttribute("aria-pressed", String(!isHidden(kind, line)));
    button.addEventListener("click", () => {
      const name = switchOf(kind, line);
      if (!state.hidden.delete(name)) state.hidden.add(name);
      for (const one of document.querySelectorAll("[data-chart]")) if (found.isLatency || one === figure) draw(one);
      figure.querySelector(`b[data-line="${CSS.escape(line.name)}"]`)?.parentElement.focus();
    });
    item.append(button);
    return item;
  }

  // What is drawn besides the lines: phases behind them, limits before them.
  function inside(chart, font, paint) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = font.replace(/^[\d.]+/, (size) => Number(size) * devicePixelRatio);
    ctx.lineWidth = devicePixelRatio;
    paint(ctx, bbox, chart);
    ctx.restore();
  }

  function markPhases(ctx, box, chart) {
    const ratio = devicePixelRatio;
    ctx.fillStyle = color("soft");
    ctx.strokeStyle = color("rule");
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    let free = -Infinity;
    for (const phase of charts.phases) {
      const left = chart.valToPos(phase.fromS, "x", true);
      const right = Math.min(chart.valToPos(phase.toS, "x", true), box.left + box.width);
      const from = Math.max(left, box.left) + 4 * ratio;
      const { width } = ctx.measureText(phase.phase);
      line(ctx, left, box.top, left, box.top + box.height);
      if (from > free && from + width < right) {
        ctx.fillText(phase.phase, from, box.top + 2 * ratio);
        free = from + width;
      }
    }
  }

  function markLimits(ctx, box, chart, allowed) {
    const ratio = devicePixelRatio;
    ctx.textAlign = "right";
    for (const limit of allowed) {
      const [right, top] = [box.left + box.width, chart.valToPos(limit.ms, "y", true)];
      const isHigh = top - box.top < 32 * ratio;
      const base = top + (isHigh ? 3 : -2) * ratio;
      ctx.textBaseline = isHigh ? "top" : "bottom";
      ctx.strokeStyle = ctx.fillStyle = color("bad");
      ctx.lineWidth = ratio;
      ctx.setLineDash([6 * ratio, 4 * ratio]);
      line(ctx, box.left, top, right, top);
      ctx.setLineDash([]);
      ctx.strokeStyle = color("paper");
      ctx.lineWidth = 4 * ratio;
      ctx.strokeText(limit.text, right - 4 * ratio, base);
      ctx.fillText(limit.text, right - 4 * ratio, base);
    }
  }

  function line(ctx, x1, y1, x2, y2) {
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
  }

  // ---- all charts together: one cursor, one zoom ----
  let isFollowing = false;
  function follow(from, place) {
    if (isFollowing) return;
    isFollowing = true;
    const index = place == null ? null : place >> 1;
    for (const [figure, { chart, found }] of drawn) {
      if (figure !== from) {
        const left = index == null ? -10 : chart.valToPos(charts.t[index] + charts.intervalS / 2, "x");
        chart.setCursor({ left, top: index == null ? -10 : 1 });
      }
      const begin = charts.t[index];
      figure.querySelector(".when").textContent = index == null ? "" : `${span(begin)} – ${span(begin + charts.intervalS)}`;
      for (const line of found.lines) {
        const value = figure.querySelector(`b[data-line="${CSS.escape(line.name)}"]`);
        value.textContent = index == null ? "" : number(line.values[index]) + (line.values[index] == null ? "" : found.unit);
      }
    }
    isFollowing = false;
  }

  let isZooming = false;
  function zoomed(from) {
    const { min, max } = from.scales.x;
    if (isZooming || min == null) return;
    isZooming = true;
    state.zoom = min <= ends[0] && max >= ends[1] ? null : { min, max };
    for (const { chart } of drawn.values()) if (chart !== from) chart.setScale("x", { min, max });
    isZooming = false;
  }

  function reset() {
    state.zoom = null;
    const [first] = drawn.values();
    first?.chart.setScale("x", { min: ends[0], max: ends[1] });
  }

  function zoomBy(factor, middle) {
    const [first] = drawn.values();
    const { min, max } = first.chart.scales.x;
    const half = Math.max(charts.intervalS, ((max - min) * factor) / 2);
    const at = middle ?? (min + max) / 2;
    const low = Math.max(ends[0], at - half);
    const high = Math.min(ends[1], at + half);
    first.chart.setScale("x", { min: low, max: high });
  }

  function pressed(event, figure) {
    const held = drawn.get(figure);
    if (!held || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const at = held.place ?? null;
    const middle = at == null ? null : charts.t[at] + charts.intervalS / 2;
    if (step) {
      held.place = Math.min(charts.t.length - 1, Math.max(0, at == null ? (step > 0 ? 0 : charts.t.length - 1) : at + step));
      const left = held.chart.valToPos(charts.t[held.place] + charts.intervalS / 2, "x");
      held.chart.setCursor({ left, top: 1 });
      follow(figure, held.place * 2);
    } else if (event.key === "+" || event.key === "=") zoomBy(0.5, middle);
    else if (event.key === "-") zoomBy(2, middle);
    else if (event.key === "0" || event.key === "Escape") reset();
    else return;
    event.preventDefault();
  }

  // ---- the heat map's values ----
  function heated() {
    const map = document.getElementById("heat");
    if (!map) return;
    const { batches, columnsS, columnS } = charts.heat;
    const cursor = map.querySelector(".cursor");
    const told = document.getElementById("heat-value");
    let [column, row] = [0, 0];
    const tell = () => {
      const batch = batches[row];
      const ended = batch.ended[column];
      const when = `${span(columnsS[column])} – ${span(columnsS[column] + columnS)}`;
      const p95 = batch.p95[column];
      const what = ended == null ? "nothing ended" : `p95 ${number(p95)}${p95 == null ? "" : " ms"}, ${batch.failed[column]} of ${ended} failed, late or lost`;
      told.textContent = `${batch.name}, ${when}: ${what}`;
      cursor.setAttribute("x", column);
      cursor.setAttribute("y", row);
      cursor.setAttribute("visibility", "visible");
    };
    const hide = () => {
      told.textContent = "";
      cursor.setAttribute("visibility", "hidden");
    };
    map.addEventListener("pointermove", (event) => {
      const box = map.getBoundingClientRect();
      column = Math.min(columnsS.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * columnsS.length)));
      row = Math.min(batches.length - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * batches.length)));
      tell();
    });
    map.addEventListener("pointerleave", hide);
    map.addEventListener("blur", hide);
    map.addEventListener("keydown", (event) => {
      const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (!right && !down) return;
      column = Math.min(columnsS.length - 1, Math.max(0, column + right));
      row = Math.min(batches.length - 1, Math.max(0, row + down));
      tell();
      event.preventDefault();
    });
  }

  // ---- controls ----
  const figures = [...document.querySelectorAll("[data-chart]")];
  const redraw = () => figures.forEach(draw);

  const select = document.getElementById("operation");
  for (const operation of Object.keys(charts.operations)) {
    select.append(new Option(operation, operation, false, operation === state.operation));
  }
  select.addEventListener("change", () => {
    state.operation = select.value;
    redraw();
  });
  const logarithmic = document.getElementById("logarithmic");
  logarithmic.addEventListener("change", () => {
    state.isLogarithmic = logarithmic.checked;
    redraw();
  });
  document.getElementById("reset").addEventListener("click", reset);
  document.querySelector(".controls").hidden = !charts.t.length;

  const theme = document.getElementById("theme");
  const THEMES = ["auto", "light", "dark"];
  let chosen = 0;
  theme.hidden = false;
  theme.addEventListener("click", () => {
    chosen = (chosen + 1) % THEMES.length;
    root.classList.remove(...THEMES);
    if (chosen) root.classList.add(THEMES[chosen]);
    theme.querySelector("span").textContent = THEMES[chosen];
    redraw();
  });
  dimmed.addEventListener("change", redraw);
  addEventListener("beforeprint", () => {
    root.classList.add("light");
    redraw();
  });
  addEventListener("afterprint", () => {
    root.classList.toggle("light", THEMES[chosen] === "light");
    redraw();
  });

  const copy = document.getElementById("copy");
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const spec = document.getElementById("spec-text");
    try {
      await navigator.clipboard.writeText(spec.textContent);
    } catch {
      getSelection().selectAllChildren(spec);
      document.execCommand("copy");
      getSelection().removeAllRanges();
    }
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });

  if (charts.t.length) {
    for (const figure of figures) {
      const plot = figure.querySelector(".plot");
      plot.addEventListener("keydown", (event) => pressed(event, figure));
      plot.addEventListener("blur", () => drawn.has(figure) && follow(null, null));
    }
    redraw();
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      for (const [figure, { chart }] of drawn) {
        const plot = figure.querySelector(".plot");
        chart.setSize({ width: plot.clientWidth, height: plot.clientHeight });
      }
    });
  }
  heated();
})();
