"use strict";

/* A new run: every change is tried in a dry run, and the estimate says what would bind first. */

const TRY_AFTER_MS = 300;

/** Starts showing the form, with the spec of the run `like` where there is one; gives what ends it. */
function showForm(like) {
  const view = { form: null, key: newKey(), timer: 0, trial: null, isOver: false, misses: 0 };
  byId("json").oninput = () => readJson(view);
  byId("json-view").ontoggle = () => showJson(view);
  byId("new-run").onsubmit = (event) => {
    event.preventDefault();
    startRun(view);
  };
  byId("new-run").onkeydown = (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault(); // a run begins by its button only
    foresee(view, 0);
  };
  openForm(view, like).catch((error) => {
    if (!view.isOver) fill(byId("fields"), h("p", { class: "problem" }, wordsOf(error), " "), h("button", { type: "button", onclick: route }, "Try again"));
  });
  return () => {
    view.isOver = true;
    clearTimeout(view.timer);
    view.trial?.abort();
    if (view.form) kept.spec = view.form.spec;
  };
}

/** What was last in the form, for whoever comes back to it. */
const kept = { spec: null };

async function openForm(view, like) {
  fill(byId("estimate"));
  const [document, targets, spec] = await Promise.all([
    ask("GET", "openapi.json"),
    ask("GET", "targets").catch(() => ({ body: { targets: [] } })),
    like ? specLike(like) : (kept.spec ?? structuredClone(FIRST_SPEC)),
  ]);
  if (view.isOver) return;
  const offered = { names: targets.body.targets.map((target) => target.name), default: targets.body.default };
  view.form = new SpecForm(byId("fields"), readSchema(document.body), { targets: offered, changed: () => changed(view) });
  view.form.put(spec);
  showJson(view);
  foresee(view, 0);
}

/** What another run was asked for, less what would be so anyway and what was chosen for it alone. */
async function specLike(runId) {
  const { body } = await ask("GET", `runs/${encodeURIComponent(runId)}/results`);
  const { randomSeed, name, ...spec } = body.spec;
  const bare = { scenario: spec.scenario, target: spec.target, load: { executor: spec.load.executor } };
  const granted = await ask("POST", "runs?dryRun=true", { body: JSON.stringify(bare) }).catch(() => null);
  return { scenario: spec.scenario, name, ...(granted ? differing(spec, granted.body.spec) : spec) };
}

function changed(view) {
  showJson(view);
  foresee(view, TRY_AFTER_MS);
}

function showJson(view) {
  if (!view.form || document.activeElement === byId("json")) return;
  byId("json").value = JSON.stringify(view.form.spec, null, 2);
  sayAtJson("");
}

/** The text is the spec, if it is one. */
function readJson(view) {
  let spec;
  try {
    spec = JSON.parse(byId("json").value);
  } catch (error) {
    return sayAtJson(`This is no JSON: ${error.message}`);
  }
  if (spec === null || typeof spec !== "object" || Array.isArray(spec)) return sayAtJson("A spec is an object.");
  sayAtJson("");
  view.form?.put(spec);
  foresee(view, TRY_AFTER_MS);
}

function sayAtJson(text) {
  const problem = byId("json-problem");
  say(problem, text);
  problem.hidden = !text;
  byId("json").toggleAttribute("aria-invalid", Boolean(text));
}

/** What is in the form is tried after a while, once for changes that follow each other closely. */
function foresee(view, afterMs) {
  clearTimeout(view.timer);
  if (view.isOver || !view.form) return;
  byId("estimate").setAttribute("aria-busy", "true");
  view.timer = setTimeout(() => tryOut(view), afterMs);
}

async function tryOut(view) {
  view.trial?.abort();
  const trial = new AbortController();
  view.trial = trial;
  try {
    const { body } = await ask("POST", "runs?dryRun=true", { body: JSON.stringify(view.form.spec), signal: trial.signal });
    if (view.trial !== trial || view.isOver) return;
    view.misses = 0;
    view.form.complain([]);
    view.form.grant(body.spec);
    fill(byId("estimate"), estimateOf(body.estimate));
    announce(`Takes about ${body.estimate.duration}, in ${counted(body.estimate.batches, "batch")}`);
  } catch (error) {
    if (view.trial !== trial || view.isOver || trial.signal.aborted) return;
    showRefusal(view, error);
    if (error instanceof Away && view.misses < 8) {
      view.misses += 1;
      view.timer = setTimeout(() => tryOut(view), 1000 * Math.min(30, 2 ** view.misses));
    }
  }
  byId("estimate").removeAttribute("aria-busy");
}

/** A new run's id, made before it is asked for: asking twice is asking once. */
function newKey() {
  const stamp = new Date().toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  const random = [...crypto.getRandomValues(new Uint8Array(3))].map((byte) => byte.toString(16).padStart(2, "0"));
  return `${stamp}-${random.join("")}`;
}

async function startRun(view) {
  const start = byId("start");
  if (!view.form || start.getAttribute("aria-busy") === "true") return;
  if (!byId("json-problem").hidden) {
    byId("json").focus();
    return;
  }
  start.setAttribute("aria-busy", "true");
  say(start, "Starting …");
  try {
    const { body } = await ask("POST", "runs", { body: JSON.stringify(view.form.spec), headers: { "Idempotency-Key": view.key } });
    if (view.isOver) return;
    notice("");
    location.hash = runAt(body.runId);
  } catch (error) {
    if (view.isOver) return;
    clearTimeout(view.timer);
    view.trial?.abort();
    showRefusal(view, error);
    if (error.code === "key-reused") {
      fill(byId("estimate"), h("p", { class: "problem" }, "A run was started from this form before it was changed: ", linkTo(runAt(view.key), view.key), ". Start again for another one."));
      view.key = newKey();
    }
    byId("new-run").querySelector("[aria-invalid=true]")?.focus();
  } finally {
    start.removeAttribute("aria-busy");
    say(start, "Start the run");
  }
}

/** Why the spec would not be carried out: at the fields, and in a few words beside them. */
function showRefusal(view, error) {
  const problems = error instanceof Refused ? error.problems : [];
  const left = view.form.complain(problems);
  const lines = problems.map((one) => h("li", {}, left.includes(one) ? inWords(one) : wayTo(view.form.nearest(one.path))));
  fill(
    byId("estimate"),
    h("h2", {}, headingOf(error, problems.length)),
    error instanceof Refused && error.limit && limitOf(error.limit),
    lines.length ? h("ul", { class: "reasons" }, lines) : h("p", { class: "problem" }, wordsOf(error)),
  );
  announce(headingOf(error, problems.length));
}

function inWords(one) {
  return [h("code", {}, one.path || "/"), ` ${one.message}`, one.allowed ? `; allowed: ${one.allowed}` : ""];
}

/** What leads to a field with a problem. */
function wayTo(control) {
  return h("button", { type: "button", class: "way", onclick: () => control.input.focus() }, control.at.slice(1).replace(/\//g, " / "));
}

function headingOf(error, many) {
  if (error instanceof Away) return "No estimate";
  if (error instanceof Refused && many) return many === 1 ? "One thing is wrong" : `${many} things are wrong`;
  return error instanceof Refused && error.limit ? "Over a limit" : "Refused";
}

function limitOf(limit) {
  return pairs([
    ["limit", h("code", {}, limit.name)],
    ["it is", [limit.value, limit.unit].filter(Boolean).join(" ")],
    ["the run needs", [limit.need, limit.unit].filter(Boolean).join(" ") || NOTHING],
    ["set by", limit.source || NOTHING],
  ]);
}

function estimateOf(found) {
  const { binding, limits } = found;
  const isOver = binding.value !== null && binding.need !== null && binding.need > binding.value;
  return [
    h("h2", {}, binding.value === null ? "Nothing limits it" : "The limit that binds"),
    h("p", { class: isOver ? "binding over" : "binding" }, binding.value === null ? "The embedded emulator has no quotas." : bindingOf(binding)),
    found.warnings.length > 0 && h("ul", { class: "reasons warn" }, found.warnings.map((text) => h("li", {}, text))),
    pairs([
      ["takes about", found.duration],
      ["batches", found.waves > 1 ? `${whole(found.batches)} in ${whole(found.waves)} waves` : whole(found.batches)],
      ["runner", found.runner],
      ["cores", figure(found.cores)],
      ["in flight", whole(found.inFlight)],
      ["outbound addresses", whole(found.outboundAddresses)],
      ["compute", `$${found.cost.computeUsd.toFixed(2)}`],
      ["at the target", found.cost.targetSide],
    ]),
    h("h3", {}, "Operations"),
    pairs(Object.entries(found.operations).map(([name, many]) => [h("code", {}, name), whole(many)])),
    limits.length > 0 && h("details", { class: "section" }, h("summary", {}, counted(limits.length, "other limit")), limits.map((one) => h("p", { class: "hint" }, bindingOf(one)))),
  ];
}

function bindingOf(one) {
  const unit = one.unit ? ` ${one.unit}` : "";
  const need = one.need === null ? "" : `${whole(one.need)} of `;
  const value = one.value === null ? "unknown" : `${whole(one.value)}${unit}`;
  return [h("code", {}, one.limit), `: ${need}${value}. ${sentence(one.effect)}`, one.source ? ` (${one.source})` : ""];
}
