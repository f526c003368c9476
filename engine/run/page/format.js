"use strict";

/* Numbers and texts as people read them; the report writes them the same way. */

const NOTHING = "\u2013";

/** A whole number in groups of thousands. */
function whole(number) {
  return number === null || number === undefined ? NOTHING : Math.round(number).toLocaleString("en-US");
}

/** How many of what: 1 batch, 20 batches. */
function counted(number, what) {
  return `${whole(number)} ${what}${number === 1 ? "" : what.endsWith("ch") ? "es" : "s"}`;
}

/** A number with three significant digits; whole ones keep all they have. */
function figure(number) {
  if (number === null || number === undefined || !Number.isFinite(number)) return NOTHING;
  if (number === 0) return "0";
  const rounded = Number(number.toPrecision(3));
  const places = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(rounded)))));
  return rounded.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
}

/** A share as a percentage. */
function percent(share) {
  return share === null || share === undefined ? NOTHING : `${figure(share * 100)} %`;
}

/** A relative change as a percentage with its sign. */
function change(share) {
  return share === null || share === undefined ? NOTHING : `${share > 0 ? "+" : ""}${percent(share)}`.replace("-", "\u2212");
}

/** A duration the way a spec writes it: 4.2s, 5m3s, 1h30m. */
function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 60) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)}s`;
  const whole_s = Math.round(seconds);
  const words = [[Math.floor(whole_s / 3600), "h"], [Math.floor(whole_s / 60) % 60, "m"], [whole_s % 60, "s"]];
  return words.filter(([many]) => many).map(([many, unit]) => `${many}${unit}`).join("");
}

/** A moment of RFC 3339 as an element, shown in the reader's time zone. */
function moment(at) {
  if (at === null || at === undefined) return NOTHING;
  const when = new Date(at);
  if (Number.isNaN(when.getTime())) return String(at);
  const two = (number) => String(number).padStart(2, "0");
  const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  const time = `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
  return h("time", { datetime: when.toISOString(), title: when.toISOString() }, `${day} ${time}`);
}

/** A moment of the load on a time axis: 0:42, 1:02:03; what was before it has a minus. */
function clock(seconds) {
  if (seconds < 0) return `\u2212${clock(-seconds)}`;
  const whole_s = Math.round(seconds);
  const rest = `${String(Math.floor(whole_s / 60) % 60)}:${String(whole_s % 60).padStart(2, "0")}`;
  return whole_s < 3600 ? rest : `${Math.floor(whole_s / 3600)}:${rest.padStart(5, "0")}`;
}

/** A verdict, or the state of a run that has none yet; the style sheet gives it a sign too, not a colour alone. */
function badge(verdict, state) {
  const word = verdict ?? state ?? "";
  return h("span", { class: `badge is-${word}` }, h("span", { class: "glyph", "aria-hidden": "true" }), word);
}

/** Any JSON value in a few words. */
function shown(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
