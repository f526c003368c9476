"use strict";

/* What is known of a run right now, as tables and lists. */

/** The main operation in a few numbers. */
function headlineOf(run, main) {
  const counts = run.operations?.[main];
  if (!counts) return [];
  const throttled = run.throttledShare ? [["throttled", percent(run.throttledShare), "bad"]] : [];
  return [
    [main, whole(counts.ok), "main"],
    ["ended per second", figure(counts.ratePerSecond)],
    ["p50 ms", figure(counts.p50)],
    ["p95 ms", figure(counts.p95)],
    ["p99 ms", figure(counts.p99)],
    ["failed", whole(counts.failed + counts.lost), counts.failed + counts.lost ? "bad" : ""],
    ["late", whole(counts.late), counts.late ? "bad" : ""],
    ["dropped", whole(counts.dropped), counts.dropped ? "bad" : ""],
    ...throttled,
  ];
}

function fillHeadline(run, main) {
  const found = headlineOf(run, main);
  byId("headline-figures").hidden = !found.length;
  fill(byId("headline-figures"), found.map(([name, value, mark]) => h("div", { class: mark || null }, h("dt", {}, mark === "main" ? [h("code", {}, name), " ok"] : name), h("dd", {}, value))));
}

const COUNTS = [["due", "due"], ["ok", "ok"], ["failed", "failed"], ["late", "late"], ["lost", "lost"], ["cancelled", "cancelled"], ["dropped", "dropped"], ["inFlight", "in flight"], ["overdue", "overdue"], ["retries", "retries"]];
const TROUBLE = ["failed", "late", "lost", "dropped", "overdue"];

/** Every operation; of the counts that are seldom other than 0 only those that are. */
function fillOperations(run, main) {
  const rows = Object.entries(run.operations ?? {}).map(([name, counts]) => ({ name, ...counts }));
  const wanted = COUNTS.filter(([key]) => ["due", "ok", "failed", "inFlight"].includes(key) || rows.some((row) => row[key]));
  fillTable(byId("operations"), [
    { name: "operation", words: true, class: (row) => row.name === main && "main", text: (row) => [h("code", {}, row.name), row.phase === "prepare" ? " (prepare)" : ""] },
    ...wanted.map(([key, name]) => ({ name, class: (row) => (row[key] ? TROUBLE.includes(key) && "bad" : "none"), text: (row) => whole(row[key]) })),
    { name: "rate/s", text: (row) => figure(row.ratePerSecond) },
    ...["p50", "p95", "p99"].map((name) => ({ name: `${name} ms`, text: (row) => figure(row[name]) })),
  ], rows);
}

function fillFailures(run) {
  const found = run.failures ?? [];
  byId("failures-part").hidden = !found.length;
  fillTable(byId("failures"), [
    { name: "operation", words: true, text: (one) => h("code", {}, one.operation) },
    { name: "outcome", words: true, text: (one) => one.outcome },
    { name: "code", words: true, text: (one) => one.code || NOTHING },
    { name: "blame", words: true, text: (one) => one.blame ?? NOTHING },
    { name: "count", text: (one) => whole(one.count) },
  ], found);
}

function fillThresholds(results) {
  const found = results?.thresholds ?? [];
  byId("thresholds-part").hidden = !found.length;
  const word = (one) => (one.ok === null ? "not judged" : one.ok ? "held" : "failed");
  fillTable(byId("thresholds"), [
    { name: "threshold", words: true, text: (one) => h("code", {}, `${one.metric} ${one.expr}`) },
    { name: "over", words: true, text: (one) => (one.windowS ? `every ${duration(one.windowS)}` : "the whole run") },
    { name: "result", words: true, class: (one) => (one.ok === false ? "bad" : one.ok ? "good" : ""), text: word },
    { name: "found", words: true, text: (one) => one.text.replace(`${one.metric} ${one.expr}: `, "") },
  ], found);
}

/** Devices by what they do: a bar, and how many there are of each. */
function fillDevices(run) {
  const { total = 0, ...doing } = run.devices ?? {};
  const found = Object.entries(doing).filter(([, many]) => many).sort((one, other) => other[1] - one[1]);
  const waiting = total - found.reduce((sum, [, many]) => sum + many, 0);
  if (waiting > 0) found.push(["not begun", waiting]);
  const bar = h("div", { class: "bar", "aria-hidden": "true" }, found.map(([, many], index) => {
    const part = h("span", { class: `part-${index % 6}` });
    part.style.flexGrow = many;
    return part;
  }));
  const names = found.map(([name, many], index) => [[h("span", { class: `dot part-${index % 6}`, "aria-hidden": "true" }), name], whole(many)]);
  fill(byId("devices"), total ? [bar, pairs([...names, ["in all", whole(total)]])] : h("p", { class: "empty" }, "Not known yet."));
}

function fillBatches(run) {
  const found = run.batches ?? {};
  const stalled = found.stalled ?? [];
  const shownOnes = stalled.slice(0, 12).join(", ") + (stalled.length > 12 ? " …" : "");
  fill(byId("batches"), pairs([
    ["planned", whole(found.planned)],
    run.state === "finished" ? ["ended", whole((found.planned ?? 0) - (found.waiting ?? 0))] : ["running", whole(found.running)],
    ["waiting", whole(found.waiting)],
    found.waves > 1 ? ["wave", `${found.wave + 1} of ${found.waves}`] : null,
    ["attempt", whole(run.attempt)],
    stalled.length ? ["stalled", `${whole(stalled.length)}: ${shownOnes}`, "bad"] : ["stalled", "none"],
    run.storeFailures ? ["store failed", `${whole(run.storeFailures)} times`, "bad"] : null,
  ].filter(Boolean)));
}

const FITNESS = [
  ["lagP99Ms", "loop lag p99", (value) => `${figure(value)} ms`, 250],
  ["latenessP99Ms", "lateness p99", (value) => `${figure(value)} ms`, null],
  ["cpuShare", "CPU", percent, 0.9],
  ["descriptorShare", "descriptors", percent, 0.9],
  ["internal", "faults of ours", whole, 0],
  ["portsExhausted", "out of ports", whole, 0],
  ["clockJumps", "clock jumps", whole, 0],
];

/** The worst of all batches; what is beyond the limits that make a run invalid is marked. */
function fillGenerator(run) {
  const found = run.generator ?? {};
  const known = FITNESS.filter(([name]) => name in found);
  const rows = known.map(([name, title, write, limit]) => [title, write(found[name]), limit !== null && found[name] > limit ? "bad" : ""]);
  fill(byId("generator"), rows.length ? pairs(rows) : h("p", { class: "empty" }, "Nothing has been heard of it yet."));
}
