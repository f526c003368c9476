"use strict";

/* The controls of the form: one for every field of the spec, each of which knows where its value belongs. What cannot
 * be read as its kind is sent as it was typed, and the server says what is wrong with it. */

/** A field's control in `form`, for the value at a pointer. */
function controlOf(form, field, at) {
  switch (field.kind) {
    case "section":
      return sectionOf(form, field, at);
    case "rows":
      return rowsOf(form, field, at);
    default:
      return singleOf(form, field, at);
  }
}

function idOf(at) {
  return `field${at.replace(/[^A-Za-z0-9]/g, "-")}`;
}

function singleOf(form, field, at) {
  const id = idOf(at);
  const isChosen = field.kind === "choice" || field.kind === "flag";
  const input = isChosen ? h("select", { id }) : h("input", { id, spellcheck: "false" });
  if (field.kind === "number") input.inputMode = "decimal";
  const examples = !isChosen && field.examples.length > 0 && h("datalist", { id: `${id}-examples` }, field.examples.map((value) => h("option", { value })));
  if (examples) input.setAttribute("list", examples.id);
  const problem = h("p", { id: `${id}-problem`, class: "problem", hidden: true });
  const hint = field.hint && h("p", { id: `${id}-hint`, class: "hint" }, field.hint);
  input.setAttribute("aria-describedby", hint ? `${id}-problem ${id}-hint` : `${id}-problem`);
  const wrap = h("div", { class: "field" }, h("label", { for: id }, field.title), input, examples, problem, hint);
  const control = { at, field, wrap, input, problem, show: isChosen ? showChoice : showText };
  input.addEventListener("input", () => form.change(at, valueOf(field, input.value)));
  form.add(control);
  return wrap;
}

/** The value that a text means, undefined for none. */
function valueOf(field, text) {
  const said = text.trim();
  if (said === "") return undefined;
  switch (field.kind) {
    case "number":
      return numberOf(said);
    case "flag":
      return said === "true";
    case "list":
      return said.split(",").map((part) => part.trim()).filter(Boolean).map(field.item.holdsNumbers ? numberOf : String);
    case "words":
      return Object.fromEntries(said.split(",").map((part) => part.trim().split(/\s*=\s*(.*)/s)).map(([name, value]) => [name, value ?? ""]));
    default:
      return text;
  }
}

function numberOf(text) {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text;
}

function textOf(field, value) {
  if (value === undefined || value === null) return "";
  if (field.kind === "list" && Array.isArray(value)) return value.join(", ");
  if (field.kind === "words" && typeof value === "object") return Object.entries(value).map((pair) => pair.join("=")).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function showText(control, value, byDefault) {
  const { input, field } = control;
  if (document.activeElement !== input) input.value = textOf(field, value);
  const example = { list: "comma-separated", words: "name=value, …" }[field.kind] ?? field.examples[0] ?? "";
  input.placeholder = textOf(field, byDefault) || example;
}

function showChoice(control, value, byDefault) {
  const { input, field, at } = control;
  const words = field.kind === "flag" ? ["true", "false"] : [...field.choices];
  const text = textOf(field, value);
  if (text && !words.includes(text)) words.push(text);
  const standing = textOf(field, byDefault);
  const called = (word) => (field.kind === "flag" ? { true: "yes", false: "no" }[word] : null) ?? word;
  const unset = at === "/scenario" ? [] : [h("option", { value: "" }, standing ? `${called(standing)} (default)` : "default")];
  const wanted = [standing, text, ...words].join("\n");
  if (input.dataset.filled !== wanted) fill(input, unset, words.map((word) => h("option", { value: word }, called(word))));
  input.dataset.filled = wanted;
  input.value = text;
}

/** A group of fields. One that may be null can be switched off. */
function sectionOf(form, field, at) {
  const fields = field.fields.map((each) => controlOf(form, each, `${at}/${each.name}`));
  const legend = h("legend", {}, field.title);
  if (!field.isNullable) return h("fieldset", { class: "group" }, legend, h("div", { class: "grid" }, fields));
  const inner = h("div", { class: "grid" }, fields);
  const id = idOf(at);
  const input = h("input", { type: "checkbox", id });
  const problem = h("p", { class: "problem", hidden: true });
  const wrap = h("fieldset", { class: "group" }, legend, h("label", { class: "check", for: id }, input, " switched off"), problem, inner);
  const show = (control, value) => {
    input.checked = value === null;
    inner.hidden = value === null;
  };
  input.addEventListener("input", () => form.change(at, input.checked ? null : undefined));
  form.add({ at, field, wrap, input, problem, show });
  return wrap;
}

/** Rows that come and go, each a group of fields. */
function rowsOf(form, field, at) {
  const one = field.title.replace(/s$/, "").toLowerCase();
  const rows = h("div", { class: "rows" });
  const problem = h("p", { id: `${idOf(at)}-problem`, class: "problem", hidden: true });
  const add = h("button", { type: "button", id: idOf(at), "aria-describedby": problem.id }, `Add a ${one}`);
  const hint = field.hint && h("p", { class: "hint" }, field.hint);
  const wrap = h("fieldset", { class: "group field wide" }, h("legend", {}, field.title), hint, rows, problem, add);
  let many = 0;

  function show(_control, value) {
    const wanted = Array.isArray(value) ? value.length : 0;
    if (wanted === many) return;
    form.remove(`${at}/`);
    many = wanted;
    fill(rows, Array.from({ length: many }, (_, index) => rowOfFields(index)));
  }

  function rowOfFields(index) {
    const fields = field.item.fields.map((each) => controlOf(form, each, `${at}/${index}/${each.name}`));
    const remove = h("button", { type: "button", class: "quiet", "aria-label": `Remove ${one} ${index + 1}` }, "Remove");
    remove.addEventListener("click", () => {
      const left = held().filter((_, other) => other !== index);
      many = -1; // every row stands for another one now
      form.change(at, left.length ? left : undefined);
      add.focus();
    });
    return h("div", { class: "row" }, h("div", { class: "grid" }, fields), remove);
  }

  const held = () => {
    const found = lookUp(form.spec, at);
    return Array.isArray(found) ? found : [];
  };
  add.addEventListener("click", () => {
    form.change(at, [...held(), {}]);
    rows.lastElementChild?.querySelector("input, select")?.focus();
  });
  form.add({ at, field, wrap, input: add, problem, show });
  return wrap;
}
