"use strict";

/* The list of runs, and of schedules. */

const STATES = ["accepted", "running", "draining", "merging", "finished"];
const VERDICTS = ["passed", "failed", "invalid", "aborted", "cancelled", "error"];

/** Starts showing runs; gives what ends it. */
function showRuns() {
  const pages = [""]; // where each page seen so far begins
  let shownBefore = "";

  async function look() {
    const query = new URLSearchParams({ ...filtered(), ...(pages.at(-1) ? { next: pages.at(-1) } : {}) });
    const { body } = await ask("GET", `runs?${query}`);
    const text = JSON.stringify(body);
    if (text !== shownBefore) fillRuns(body, pages);
    shownBefore = text;
    return body.runs.some((run) => run.state !== "finished") ? 3 : 15;
  }

  const listed = poll(look, (error) => notice(wordsOf(error)));
  const scheduled = poll(lookAtSchedules, () => (byId("schedules").hidden = true));
  const anew = () => {
    pages.splice(0, pages.length, "");
    listed.now();
  };
  const turn = (cursor) => {
    if (cursor) pages.push(cursor);
    else pages.pop();
    listed.now();
  };
  byId("filter").oninput = anew;
  byId("filter").onsubmit = (event) => event.preventDefault();
  byId("older").onclick = () => turn(byId("older").dataset.next);
  byId("newer").onclick = () => turn("");
  return () => {
    listed.stop();
    scheduled.stop();
  };
}

function filtered() {
  const wanted = { name: byId("filter-name").value.trim(), state: byId("filter-state").value, verdict: byId("filter-verdict").value };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value));
}

function fillRuns(found, pages) {
  const body = byId("runs").tBodies[0];
  const focused = document.activeElement?.closest?.("#runs tr")?.dataset.run;
  fill(body, found.runs.map(rowOf));
  body.querySelector(`tr[data-run="${CSS.escape(focused ?? "")}"] a`)?.focus();
  fill(byId("known-names"), [...new Set(found.runs.map((run) => run.name))].map((name) => h("option", { value: name })));
  byId("older").hidden = !found.next;
  byId("older").dataset.next = found.next ?? "";
  byId("newer").hidden = pages.length < 2;
  byId("runs").parentElement.hidden = !found.runs.length;
  byId("runs-none").hidden = found.runs.length > 0;
  const isFiltered = Object.keys(filtered()).length > 0;
  say(byId("runs-none"), isFiltered ? "No run is like that. The name has to be the whole one." : "There are no runs yet.");
}

function rowOf(run) {
  const cells = [
    ["Verdict", badge(run.verdict, run.state)],
    ["Name", linkTo(runAt(run.runId), run.name)],
    ["Scenario", run.scenario],
    ["Target", run.target],
    ["Created", moment(run.created)],
    ["By", run.startedBy || NOTHING],
    ["Run", h("code", {}, run.runId)],
  ];
  return h("tr", { "data-run": run.runId }, cells.map(([name, value]) => h("td", { "data-of": name }, value)));
}

async function lookAtSchedules() {
  const { body } = await ask("GET", "schedules");
  byId("schedules").hidden = !body.schedules.length;
  const rows = body.schedules.map((held) => {
    const last = held.last;
    const when = `${held.cron ?? held.at} ${held.timeZone}${held.enabled ? "" : ", switched off"}`;
    const became = last && (last.runId ? linkTo(runAt(last.runId), last.became) : `${last.became}${last.why ? `: ${last.why}` : ""}`);
    const cells = [["Name", held.name], ["When", h("code", {}, when)], ["Next", moment(held.next[0])], ["Last", became ?? NOTHING]];
    return h("tr", {}, cells.map(([name, value]) => h("td", { "data-of": name }, value)));
  });
  fill(byId("schedules").querySelector("tbody"), rows);
  return 30;
}

for (const [id, words] of [["filter-state", STATES], ["filter-verdict", VERDICTS]]) {
  fill(byId(id), h("option", { value: "" }, "any"), words.map((word) => h("option", {}, word)));
}
