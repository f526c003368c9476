"use strict";

/* One run: how it is doing, what came of it, and what can be done with it. */

const CHARTS_EVERY_S = 5;

/** Starts showing the run, beside the run `to` where there is one; gives what ends it. */
function showRun(runId, to) {
  const view = { runId, to, path: `runs/${encodeURIComponent(runId)}`, run: null, results: null, main: null, isOver: false };
  resetRun(view);
  const failed = (error) => !view.isOver && showMissing(view, error);
  view.charts = openCharts();
  view.look = poll(() => lookAtRun(view), failed);
  view.plot = poll(() => lookAtCharts(view), () => {});
  standBeside(view, to);
  byId("cancel").onclick = () => act(view, "Cancel this run? It drains, and what was measured is kept.", "Cancel the run", () => ask("POST", `${view.path}/cancel`));
  byId("resume").onclick = () => act(view, "", "", () => ask("POST", `${view.path}/resume`));
  byId("delete-devices").onclick = () => act(view, "Clean up after this run's devices? Their state, registrations and registry entries are deleted.", "Clean up", () => ask("DELETE", `${view.path}/devices`));
  byId("delete-run").onclick = () => act(view, `Delete run ${runId} with its results?`, "Delete the run", async () => {
    await ask("DELETE", view.path);
    location.hash = "";
  });
  const leave = () => {
    view.isOver = true;
    view.look.stop();
    view.plot.stop();
    view.compared?.stop();
    view.charts.close();
    byId("run-view").querySelector(".menu").open = false;
  };
  leave.beside = (other) => standBeside(view, other);
  return leave;
}

/** The run is compared with that one from now on, with none where there is none. */
function standBeside(view, to) {
  view.compared?.stop();
  view.to = to;
  fill(byId("comparison"));
  byId("compare-with").value = to ?? "";
  view.compared = to ? poll(() => lookAtComparison(view), () => {}) : null;
}

/** Nothing of another run is left on the page. */
function resetRun(view) {
  say(byId("run-title"), view.runId);
  say(byId("run-kind"), "");
  for (const id of ["run-facts", "verdict", "progress-text", "reasons", "headline-figures", "operations", "failures", "thresholds", "devices", "batches", "generator", "comparison", "compare-with"]) fill(byId(id));
  for (const id of ["cancel", "resume", "delete-devices", "delete-run", "failures-part", "thresholds-part", "headline-figures"]) byId(id).hidden = true;
  byId("run-view").classList.remove("missing");
  byId("progress").removeAttribute("value");
  documentLink(byId("open-report"), `${view.path}/report`);
  documentLink(byId("get-summary"), `${view.path}/results`, `${view.runId}-summary.json`);
  documentLink(byId("get-intervals"), `${view.path}/intervals`, `${view.runId}-timeline.csv`);
  documentLink(byId("get-report"), `${view.path}/report`, `${view.runId}-report.html`);
  documentLink(byId("get-markdown"), `${view.path}/report?format=md`, `${view.runId}-report.md`);
  byId("again").dataset.to = `new&${new URLSearchParams({ like: view.runId })}`;
  byId("again").href = hrefTo(byId("again").dataset.to);
}

function showMissing(view, error) {
  byId("run-view").classList.add("missing");
  fill(byId("reasons"), h("li", {}, wordsOf(error)));
  view.plot.stop();
}

async function lookAtRun(view) {
  const { body: run, retryAfterS } = await ask("GET", view.path);
  if (view.isOver) return null;
  const before = view.run;
  view.run = run;
  if (!before) offerRuns(run, view.to, (to) => (location.hash = runAt(view.runId, to))).catch(() => {});
  if (run.state === "finished" && before?.state !== "finished") await lookAtResults(view);
  if (run.state !== "finished") view.results = null;
  if (view.isOver) return null;
  fillRun(view);
  tellChange(before, run);
  if (run.state !== "finished") return retryAfterS ?? 2;
  view.plot.now();
  return run.cleanup && !run.cleanup.isOver ? 5 : null;
}

async function lookAtResults(view) {
  if (!view.run.batches.planned) return;
  const found = await ask("GET", `${view.path}/results`).catch((error) => {
    if (error instanceof Refused) return { body: null };
    throw error;
  });
  view.results = found.body;
  view.main = found.body?.mainOperation ?? view.main;
}

/** Charts come once a batch has begun, and for the last time when the run has ended. */
async function lookAtCharts(view) {
  if (!view.run || !(view.run.phase || view.run.state === "finished")) return 1;
  if (!view.run.batches.planned) return null;
  const isLast = view.run.state === "finished";
  const { body: found } = await ask("GET", `${view.path}/intervals?format=json`);
  if (view.isOver) return null;
  view.main = found.mainOperation ?? view.main;
  const before = view.seen;
  view.seen = JSON.stringify(found);
  if (view.seen !== before) view.charts.show(found);
  fillMain(view);
  return isLast ? null : Math.max(CHARTS_EVERY_S, Math.min(30, found.intervalS / 2));
}

async function lookAtComparison(view) {
  const isPartial = await compareRuns(view, view.to);
  return isPartial ? 10 : null;
}

/** What cannot be taken back is asked first; a refusal is shown. Afterwards the run is looked at again. */
async function act(view, question, verb, call) {
  if (question && !(await confirmed(question, verb))) return;
  try {
    await call();
  } catch (error) {
    notice(wordsOf(error));
    return;
  }
  if (view.isOver) return;
  if (view.run?.state === "finished") route(); // looking at it had ended
  else view.look.now();
}

function tellChange(before, run) {
  const words = (one) => [one.state, one.state === "running" ? one.phase : "", one.verdict].filter(Boolean).join(", ");
  if (!before || words(before) !== words(run)) announce(`Run ${run.name}: ${words(run)}`);
}

function fillRun(view) {
  const { run } = view;
  document.title = `${run.verdict ?? run.state} \u00b7 ${run.name} \u00b7 certfleet`;
  say(byId("run-title"), run.name);
  say(byId("run-kind"), `${run.scenario} on ${run.target}`);
  const labels = Object.entries(run.labels).map(([name, value]) => ["label", h("code", {}, value ? `${name}=${value}` : name)]);
  const facts = [["run", h("code", {}, run.runId)], ["created", moment(run.created)], run.startedBy && ["by", run.startedBy], run.baseline && ["baseline", linkTo(runAt(run.baseline), run.baseline)], ...labels];
  const key = JSON.stringify([run.runId, run.labels]);
  if (byId("run-facts").dataset.of !== key) fill(byId("run-facts"), facts.filter(Boolean).map(([name, value]) => h("span", {}, `${name} `, value)));
  byId("run-facts").dataset.of = key;
  fillStanding(run);
  fillReasons(view);
  fillMain(view);
  fillFailures(view.results ?? run);
  fillThresholds(view.results);
  fillDevices(run);
  fillBatches(run);
  fillGenerator(run);
  const isFinished = run.state === "finished";
  byId("cancel").hidden = isFinished || run.state === "merging";
  byId("cancel").disabled = run.cancelRequestedAt !== null && !isFinished;
  byId("resume").hidden = !isFinished || run.verdict === "passed" || !run.batches.planned;
  byId("delete-run").hidden = !isFinished;
  byId("delete-devices").hidden = !isFinished || Boolean(run.cleanup && !run.cleanup.isOver);
}

/** The verdict, or the one that the run would get now; and how far it is. */
function fillStanding(run) {
  const soFar = run.state !== "finished" && run.verdictSoFar;
  fill(byId("verdict"), badge(run.verdict, run.state), soFar && " ", soFar ? h("span", { class: `so-far is-${run.verdictSoFar}` }, `so far ${run.verdictSoFar}`) : "");
  const bar = byId("progress");
  const isUnknown = run.state !== "finished" && (run.phase === null || (run.progress === 0 && run.etaSeconds === null));
  if (isUnknown) bar.removeAttribute("value");
  else bar.value = run.progress;
  bar.className = `is-${run.verdict ?? run.state}`;
  const parts = [
    run.state + (run.phase && run.state === "running" ? `, ${run.phase}` : ""),
    isUnknown ? "" : `${Math.floor(run.progress * 1000) / 10} %`,
    run.elapsedSeconds ? `${duration(run.elapsedSeconds)} of load` : "",
    run.state !== "finished" && run.etaSeconds ? `about ${duration(run.etaSeconds)} to go` : "",
    run.cleanup ? cleaningOf(run.cleanup) : "",
  ];
  say(byId("progress-text"), parts.filter(Boolean).join(" \u00b7 "));
}

function cleaningOf(cleanup) {
  if (!cleanup.isOver) return "cleaning up";
  return `cleaned up, ${whole(cleanup.deleted)} devices${cleanup.left ? `, ${whole(cleanup.left)} left` : ""}`;
}

function fillReasons(view) {
  const { run, results } = view;
  const reasons = results?.reasons?.map((one) => one.text) ?? run.reasons ?? [];
  const bad = [...reasons, ...(run.broken ?? [])].map((text) => h("li", {}, text));
  fill(byId("reasons"), bad, (run.warnings ?? []).map((text) => h("li", { class: "warn" }, text)));
}

function fillMain(view) {
  fillHeadline(view.run, view.main);
  fillOperations(view.run, view.main);
}
