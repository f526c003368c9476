"use strict";

/* A question before something that cannot be taken back. */

/** Whether the person says yes. The dialog keeps the focus, Escape is no, and the focus goes back where it was. */
function confirmed(question, verb) {
  const dialog = byId("dialog");
  say(byId("dialog-says"), question);
  say(byId("dialog-yes"), verb);
  dialog.returnValue = "no";
  dialog.showModal();
  byId("dialog-no").focus();
  return new Promise((answered) => {
    dialog.addEventListener("close", () => answered(dialog.returnValue === "yes"), { once: true });
  });
}
