"use strict";

/* A run beside another one. */

/** The choice of runs to compare with, and the comparison itself. `go(to)` is told of a choice. */
async function offerRuns(run, to, go) {
  const select = byId("compare-with");
  select.onchange = () => go(select.value);
  const { body } = await ask("GET", "runs");
  const others = body.runs.filter((other) => other.runId !== run.runId && other.scenario === run.scenario);
  const named = others.some((other) => other.name === run.name && other.verdict === "passed");
  const options = [
    h("option", { value: "" }, others.length || run.baseline ? "choose a run" : "there is no other run of this scenario"),
    run.baseline && h("option", { value: run.baseline }, `its baseline, ${run.baseline}`),
    named && h("option", { value: `name:${run.name}` }, `the last ${run.name} that passed`),
    others.filter((other) => other.runId !== run.baseline).map((other) => h("option", { value: other.runId }, `${other.runId}, ${other.name}, ${other.verdict ?? other.state}`)),
  ];
  fill(select, options);
  if (to && ![...select.options].some((option) => option.value === to)) select.append(h("option", { value: to }, to));
  select.value = to ?? "";
}

/** The comparison is shown, or why there is none. Gives whether it is still going to change. */
async function compareRuns(view, to) {
  const place = byId("comparison");
  try {
    const { body } = await ask("GET", `${view.path}/compare?${new URLSearchParams({ to })}`);
    if (view.isOver || view.to !== to) return false;
    fill(place, comparisonOf(body));
    announce(`Compared with ${body.to.runId}`);
    return body.partial;
  } catch (error) {
    if (!(error instanceof Refused) || error.status >= 500) throw error;
    fill(place, h("p", { class: "problem" }, wordsOf(error)));
    return false;
  }
}

function comparisonOf(found) {
  const { to } = found;
  const { [found.mainOperation]: main, ...others } = found.operations;
  const specs = found.specs.filter((one) => one.path !== "/randomSeed");
  const remarks = [...found.notes, ...Object.entries(found.operations).flatMap(([name, numbers]) => numbers.notes.map((note) => `${name}: ${note}`))];
  return [
    h("p", {}, "Beside ", linkTo(runAt(to.runId), to.runId), `: ${to.name}, ${to.verdict ?? "not judged yet"}, created `, moment(to.createdAt), found.partial ? ", so far" : ""),
    remarks.length > 0 && h("ul", { class: "reasons warn" }, remarks.map((text) => h("li", {}, text))),
    main ? changesTable({ [found.mainOperation]: main }, to.runId) : h("p", { class: "empty" }, `${found.mainOperation} was measured in neither run.`),
    h("p", { class: "hint" }, "Latencies are those from when due. A ? marks a percentile of too few samples: its change says little."),
    Object.keys(others).length > 0 && h("details", { class: "section" }, h("summary", {}, counted(Object.keys(others).length, "other operation")), changesTable(others, to.runId)),
    specs.length > 0 && h("details", { class: "section" }, h("summary", {}, counted(specs.length, "field"), " of the spec asked for otherwise"), specChanges(specs)),
  ];
}

function changesTable(operations, toId) {
  const table = h("table", { class: "numbers" });
  const rows = Object.entries(operations).flatMap(([operation, numbers]) => changesOf(operation, numbers));
  fillTable(table, [
    { name: "operation", words: true, text: (row) => (row.isFirst ? h("code", {}, row.operation) : "") },
    { name: "number", words: true, text: (row) => row.name },
    { name: "this run", text: (row) => row.write(row.pair.run) },
    { name: "the other", text: (row) => row.write(row.pair.to) },
    { name: "change", class: markOf, text: (row) => change(row.pair.change) },
  ], rows);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Changes against ${toId}` }, table);
}

function specChanges(specs) {
  const table = h("table", { class: "numbers" });
  const held = (one, side) => (side in one ? shown(one[side]) : "not used");
  fillTable(table, [
    { name: "field", words: true, text: (one) => h("code", {}, one.path || "/") },
    { name: "this run", words: true, text: (one) => held(one, "run") },
    { name: "the other", words: true, text: (one) => held(one, "to") },
  ], specs);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Differences of the specs" }, table);
}

/** One row per number that says something; where `worse` is 1, more of it is worse. */
function changesOf(operation, numbers) {
  const rows = ["due", "ok"].map((name) => ({ name, pair: numbers[name], write: whole, worse: 0 }));
  for (const name of ["failed", "late", "lost", "dropped"]) {
    if (numbers[name].run || numbers[name].to) rows.push({ name, pair: numbers[name], write: whole, worse: 1 });
  }
  rows.push({ name: "rate/s", pair: numbers.ratePerSecond, write: figure, worse: 0 });
  if (numbers.failRate.run || numbers.failRate.to) rows.push({ name: "failed of started", pair: numbers.failRate, write: percent, worse: 1 });
  for (const [name, pair] of Object.entries(numbers.latencyMs.intended)) {
    if (!/^p\d/.test(name) || (pair.run === null && pair.to === null)) continue;
    const isUncertain = numbers.uncertain.includes(name);
    rows.push({ name: `${name} ms${isUncertain ? " ?" : ""}`, pair, write: figure, worse: isUncertain ? 0 : 1 });
  }
  return rows.map((row, index) => ({ ...row, operation, isFirst: index === 0 }));
}

/** A change of less than a twentieth is none to speak of. */
function markOf({ pair, worse }) {
  if (!worse || pair.change === null || Math.abs(pair.change) < 0.05) return "";
  return pair.change > 0 ? "worse" : "better";
}
