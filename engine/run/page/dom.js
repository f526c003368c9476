"use strict";

/* Elements. What a server says goes into the page as text, never as markup. */

/** The element of that id. */
function byId(id) {
  return document.getElementById(id);
}

/** A new element: attributes by name ("on…" is a listener, "text" its text, null and false are left out), then what is
 *  in it. */
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element holds just these. */
function fill(element, ...children) {
  element.replaceChildren(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
}

/** The element has that text; it is left alone where it had it, so that nothing is read out twice. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A change of state is read out to who does not see the page. */
function announce(text) {
  say(byId("announce"), text);
}

/** A table's head and rows. Columns are {name, text(row), class(row)?, words?}; words are left-aligned; the first column
 *  heads its row. A cell may be text or an element. */
function fillTable(table, columns, rows) {
  fill(
    table,
    h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.words && "words" }, column.name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column, index) => cellOf(column, row, index))))),
  );
}

function cellOf(column, row, index) {
  const classes = [column.words && "words", column.class?.(row)].filter(Boolean).join(" ");
  return h(index ? "td" : "th", { scope: index ? null : "row", class: classes || null, "data-of": column.name }, column.text(row));
}

/** A list of names and values. */
function pairs(entries) {
  return h("dl", { class: "pairs" }, entries.map(([name, value, mark]) => h("div", { class: mark || null }, h("dt", {}, name), h("dd", {}, value))));
}

/** A link to another view of this page, by its fragment. The key, if there is one, is not in it. */
function linkTo(fragment, ...children) {
  return h("a", { "data-to": fragment, href: hrefTo(fragment) }, ...children);
}

function hrefTo(fragment) {
  return location.pathname + (fragment ? `#${fragment}` : "");
}

/** The fragment that shows a run, beside another one where that is given. */
function runAt(runId, to) {
  return new URLSearchParams(to ? { run: runId, to } : { run: runId }).toString();
}
