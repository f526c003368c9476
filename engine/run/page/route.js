"use strict";

/* Which view is shown, by the fragment of the address: nothing is the list, #new the form, #run=ID a run. */

const shownNow = { leave: null, runId: null, isFirst: true };

/** Shows what the address names. Where that is only another run beside the same one, the rest stays as it is. */
function routeOn() {
  const at = new URLSearchParams(location.hash.slice(1));
  if (at.has("run") && at.get("run") === shownNow.runId) shownNow.leave.beside(at.get("to"));
  else route();
}

function route() {
  shownNow.leave?.();
  const at = new URLSearchParams(location.hash.slice(1));
  shownNow.runId = at.get("run");
  const view = at.has("run") ? "run" : at.has("new") ? "new" : "runs";
  for (const name of ["runs", "new", "run"]) byId(`${name}-view`).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = { runs: "Runs \u00b7 certfleet", new: "New run \u00b7 certfleet", run: `${at.get("run")} \u00b7 certfleet` }[view];
  notice("");
  const begin = { runs: showRuns, new: () => showForm(at.get("like")), run: () => showRun(at.get("run"), at.get("to")) };
  shownNow.leave = begin[view]();
  if (!shownNow.isFirst) {
    byId(`${view}-title`).focus();
    scrollTo(0, 0);
  }
  shownNow.isFirst = false;
}

/* Links between views say where they go without the address's query, which may hold the key. A plain click stays in
 * this document; anything else is the browser's. */
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-to]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const wanted = link.dataset.to;
  if (location.hash.slice(1) === wanted) route();
  else location.hash = wanted;
});

for (const link of document.querySelectorAll("a[data-to]")) link.href = hrefTo(link.dataset.to);

byId("skip").href = hrefTo("main");
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});

/* A menu closes by Escape, and by a click beside it. */
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

addEventListener("hashchange", routeOn);
addEventListener("unhandledrejection", (event) => notice(wordsOf(event.reason)));
route();
