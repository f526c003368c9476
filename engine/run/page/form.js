"use strict";

/* The form of a spec: what a person changed, and nothing else, is the spec. Everything not in it stands as it is by
 * default; what the server takes for granted comes back with every dry run and is shown in the empty fields. */

/** What most runs are about, in this order; everything else is in sections. */
const COMMON = [
  "/scenario", "/target", "/name", "/devices/count", "/load/executor", "/load/duration", "/load/pacing/interval", "/load/rate",
  "/load/startRate", "/load/search/start", "/load/search/hold", "/load/timeUnit", "/load/stages", "/thresholds",
];
/** What fields are called that stand apart from their section. */
const TITLES = {
  "/devices/count": "Devices", "/load/pacing/interval": "Interval per device", "/load/search/start": "First rate", "/load/search/hold": "Hold every rate",
};
const FIRST_SPEC = { scenario: "cert-renewal" };

/** The form in `place`; `changed` hears of every change that a person makes in it. */
class SpecForm {
  constructor(place, schema, { targets, changed }) {
    this.place = place;
    this.schema = schema;
    this.targets = targets;
    this.changed = changed;
    this.spec = {};
    this.granted = {}; // the spec as the server last filled it in
    this.aside = {}; // values of fields that are not used just now
    this.controls = new Map();
    this.folds = [];
    this.build();
  }

  /** The form shows this spec. */
  put(spec) {
    this.spec = spec;
    this.granted = {};
    this.refresh();
  }

  /** A person changed a field. */
  change(at, value) {
    putAt(this.spec, at, value);
    putAt(this.granted, at, undefined);
    if (at === "/scenario" || at === "/load/executor") this.granted = {};
    this.settle();
    this.refresh();
    this.changed();
  }

  /** What the server takes for granted is shown where nothing else stands. */
  grant(spec) {
    this.granted = spec;
    this.refresh();
  }

  add(control) {
    this.controls.set(control.at, control);
  }

  remove(prefix) {
    for (const at of [...this.controls.keys()]) if (at.startsWith(prefix)) this.controls.delete(at);
  }

  build() {
    const common = COMMON.map((at) => [at, fieldAt(this.schema.fields, at)]).filter(([, field]) => field);
    const rest = this.schema.fields.filter((field) => !COMMON.includes(`/${field.name}`));
    const isSection = (field) => field.kind === "section";
    const general = rest.filter((field) => !isSection(field));
    fill(
      this.place,
      h("div", { class: "grid common" }, common.map(([at, field]) => controlOf(this, this.offered(at, { ...field, title: TITLES[at] ?? field.title }), at))),
      this.foldOf("General", general.map((field) => [field, `/${field.name}`])),
      rest.filter(isSection).map((field) => this.foldFor(field)),
    );
  }

  /** The field with the choices that only the server knows. */
  offered(at, field) {
    return at === "/target" && this.targets.names.length ? { ...field, kind: "choice", choices: this.targets.names, byDefault: this.targets.default } : field;
  }

  foldFor(field) {
    const at = `/${field.name}`;
    if (field.isNullable) return this.foldOf(field.title, [[field, at]]);
    const left = field.fields.map((each) => [without(each, `${at}/${each.name}`), `${at}/${each.name}`]);
    return this.foldOf(field.title, left.filter(([each, where]) => each && !COMMON.includes(where)));
  }

  foldOf(title, fields) {
    if (!fields.length) return null;
    const count = h("span", { class: "count" });
    const single = fields.filter(([field]) => field.kind !== "section" && field.kind !== "rows");
    const grouped = fields.filter((each) => !single.includes(each));
    const parts = [h("div", { class: "grid" }, single.map(([field, at]) => controlOf(this, field, at))), grouped.map(([field, at]) => controlOf(this, field, at))];
    const wrap = h("details", { class: "section" }, h("summary", {}, title, count), parts);
    this.folds.push({ wrap, count, ats: fields.map(([, at]) => at) });
    return wrap;
  }

  get scenario() {
    return this.schema.scenarios[this.spec.scenario] ?? {};
  }

  get executor() {
    return lookUp(this.spec, "/load/executor") ?? this.scenario.executor;
  }

  /** Pointers of what the chosen scenario and executor do not use, nor what else was chosen. */
  unused() {
    const apart = this.schema.choices.filter((one) => {
      const held = lookUp(this.spec, one.field) ?? this.grantedAt(one.field) ?? null;
      return "is" in one ? held === one.is : held !== one.isNot;
    });
    const executor = this.schema.executors[this.executor] ?? {};
    return [this.scenario, executor, ...apart].flatMap((one) => one.unused ?? []);
  }

  /** Values of fields that are no longer used are put aside, and come back when they are. */
  settle() {
    const paths = this.unused();
    for (const at of this.controls.keys()) {
      const held = lookUp(this.spec, at);
      if (isBelow(at, paths) && held !== undefined) {
        this.aside[at] = held;
        putAt(this.spec, at, undefined);
      } else if (!isBelow(at, paths) && at in this.aside) {
        if (held === undefined) putAt(this.spec, at, this.aside[at]);
        delete this.aside[at];
      }
    }
  }

  refresh() {
    const paths = this.unused();
    for (const control of this.controls.values()) control.show(control, lookUp(this.spec, control.at), this.grantedAt(control.at) ?? control.field.byDefault);
    for (const control of this.controls.values()) {
      const isRowed = /\/\d+\//.test(control.at);
      control.wrap.hidden = isBelow(control.at, paths);
      control.wrap.classList.toggle("set", !isRowed && lookUp(this.spec, control.at) !== undefined);
    }
    for (const group of this.place.querySelectorAll("fieldset.group:not(.field)")) {
      group.hidden = [...group.querySelectorAll(".field")].every((each) => each.hidden);
    }
    for (const { wrap, count, ats } of this.folds) {
      wrap.hidden = ats.every((at) => isBelow(at, paths));
      const many = [...this.controls.keys()].filter((at) => isBelow(at, ats) && !COMMON.includes(at) && lookUp(this.spec, at) !== undefined).length;
      say(count, many ? `${many} set` : "");
    }
    const hint = byId("field-scenario-hint");
    if (hint && this.scenario.title) say(hint, this.scenario.title);
  }

  /** What stands at the pointer where the spec says nothing: by the last dry run, or by the scenario. */
  grantedAt(at) {
    if (at === "/load/executor") return this.scenario.executor;
    const isOthers = this.executor !== this.scenario.executor && this.scenario.ownDefaults?.includes(at);
    return lookUp(this.granted, at) ?? (isOthers ? undefined : this.scenario.defaults?.[at]);
  }

  /** Every problem is shown at its field, those of no field are given back. */
  complain(problems) {
    for (const { input, problem } of this.controls.values()) {
      input.removeAttribute("aria-invalid");
      problem.hidden = true;
      say(problem, "");
    }
    return problems.filter((one) => !this.placed(one));
  }

  placed({ path, message, allowed }) {
    const control = this.nearest(path);
    if (!control || control.wrap.hidden) return false;
    const text = allowed ? `${message}; allowed: ${allowed}` : message;
    control.input.setAttribute("aria-invalid", "true");
    control.problem.hidden = false;
    say(control.problem, control.problem.textContent ? `${control.problem.textContent}. ${text}` : text);
    control.wrap.closest("details")?.setAttribute("open", "");
    return true;
  }

  /** The control at the pointer, or else above it. */
  nearest(pointer) {
    for (let at = pointer; at; at = at.slice(0, at.lastIndexOf("/"))) if (this.controls.has(at)) return this.controls.get(at);
    return null;
  }
}

function fieldAt(fields, at) {
  const [name, ...rest] = partsOf(at);
  const found = fields.find((field) => field.name === name);
  return rest.length && found ? fieldAt(found.fields ?? [], `/${rest.join("/")}`) : found;
}

/** The field less what is among the common ones; null where nothing is left of it. */
function without(field, at) {
  if (field.kind !== "section") return field;
  const left = field.fields.map((each) => without(each, `${at}/${each.name}`)).filter((each) => each && !COMMON.includes(`${at}/${each.name}`));
  return left.length ? { ...field, fields: left } : null;
}
