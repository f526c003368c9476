"use strict";

/* The spec's JSON schema as a form sees it: a tree of fields, and what each scenario and executor does not use.
 *
 * A field is {name, title, hint, kind, isNullable, byDefault, examples, choices?, fields?, item?}. Its kind is one of: choice,
 * flag, number, text (durations too), list (of single values), words (name=value), section (of fields), rows (of
 * sections).
 */

/** The form's view of an OpenAPI document. Raises TypeError where it describes no spec. */
function readSchema(root) {
  const spec = root.components.schemas.RunSpec;
  const field = readField(root, "", spec);
  return {
    fields: field.fields.filter((each) => each.name !== "specVersion"),
    scenarios: spec["x-scenarios"] ?? {},
    executors: spec["x-executors"] ?? {},
    choices: spec["x-unusedWhen"] ?? [],
  };
}

function readField(root, name, given) {
  const { schema, isNullable } = resolved(root, given);
  const field = {
    name,
    title: given.title ?? schema.title ?? wordsIn(name),
    hint: given.description ?? schema.description ?? "",
    byDefault: given.default ?? schema.default,
    isNullable,
    examples: schema.examples ?? [],
    kind: kindOf(root, schema),
    holdsNumbers: schema.type === "integer" || schema.type === "number",
  };
  if (field.kind === "choice") field.choices = schema.enum.filter((word) => word !== null);
  if (field.kind === "section") field.fields = Object.entries(schema.properties).map(([each, inner]) => readField(root, each, inner));
  if (field.kind === "rows" || field.kind === "list") field.item = readField(root, "", schema.items ?? {});
  return field;
}

/** What a schema refers to, and whether null will do as well. */
function resolved(root, given) {
  let schema = given, isNullable = false;
  for (let steps = 0; steps < 16; steps += 1) {
    const choices = schema.anyOf ?? schema.oneOf ?? (schema.allOf?.length === 1 ? schema.allOf : null);
    if (schema.$ref) {
      schema = lookUp(root, schema.$ref.replace(/^#/, ""));
    } else if (choices) {
      isNullable ||= choices.some((one) => one.type === "null");
      schema = choices.find((one) => one.type !== "null");
    } else {
      break;
    }
  }
  if (Array.isArray(schema.type)) {
    isNullable ||= schema.type.includes("null");
    schema = { ...schema, type: schema.type.find((one) => one !== "null") };
  }
  return { schema, isNullable };
}

function kindOf(root, schema) {
  if (schema.enum) return "choice";
  switch (schema.type) {
    case "boolean":
      return "flag";
    case "integer":
    case "number":
      return "number";
    case "object":
      return schema.properties ? "section" : "words";
    case "array":
      return resolved(root, schema.items ?? {}).schema.properties ? "rows" : "list";
    default:
      return "text";
  }
}

/** maxCostUsd: max cost usd. */
function wordsIn(name) {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/* Values by JSON pointer (RFC 6901). */

function partsOf(pointer) {
  return pointer.split("/").slice(1).map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
}

/** What is at the pointer, undefined where nothing is. */
function lookUp(value, pointer) {
  return partsOf(pointer).reduce((held, part) => (held !== null && typeof held === "object" ? held[part] : undefined), value);
}

/** Puts a value there; objects on the way are made. undefined takes away what is there, and objects left empty. */
function putAt(root, pointer, value) {
  const parts = partsOf(pointer);
  const last = parts.pop();
  const way = [root];
  for (const part of parts) {
    const held = way.at(-1)[part];
    if (held === null || typeof held !== "object") {
      if (value === undefined) return;
      way.at(-1)[part] = {};
    }
    way.push(way.at(-1)[part]);
  }
  if (value !== undefined) {
    way.at(-1)[last] = value;
    return;
  }
  delete way.at(-1)[last];
  for (let depth = parts.length; depth > 0; depth -= 1) {
    const [outer, held] = [way[depth - 1], way[depth]];
    if (Array.isArray(held) || Array.isArray(outer) || Object.keys(held).length) return;
    delete outer[parts[depth - 1]];
  }
}

/** Whether the pointer is one of these, or lies below one of them. */
function isBelow(pointer, paths) {
  return paths.some((path) => pointer === path || pointer.startsWith(`${path}/`));
}

/** What of a document differs from another one: objects are looked into, nothing else is. */
function differing(document, from) {
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const found = {};
  for (const [name, value] of Object.entries(document)) {
    const other = from?.[name];
    if (isObject(value) && isObject(other)) {
      const inner = differing(value, other);
      if (Object.keys(inner).length) found[name] = inner;
    } else if (JSON.stringify(value) !== JSON.stringify(other)) {
      found[name] = value;
    }
  }
  return found;
}
