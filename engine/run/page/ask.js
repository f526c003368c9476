"use strict";

/* Calls of the API. Addresses are relative to the page's, so they work under any prefix. */

const PATIENCE_MS = 30000;

/** The key that the page was opened with, or that was typed in; kept here and nowhere else. */
const access = { key: new URLSearchParams(location.search).get("code") ?? "" };

/** The server refused: its status, and what it said. */
class Refused extends Error {
  constructor(status, said, retryAfterS) {
    super(said.message);
    this.status = status;
    this.retryAfterS = retryAfterS;
    this.code = said.code;
    this.problems = Array.isArray(said.errors) ? said.errors : [];
    this.limit = said.limit ?? null;
  }
}

/** Nobody answered. */
class Away extends Error {}

/** An answer of the API: {status, body, retryAfterS}. as is how its body is read: "json", "text" or "blob".
 *  Raises Refused, Away, and AbortError when the signal says so. */
async function ask(method, path, { body, headers = {}, signal, as = "json" } = {}) {
  const limit = AbortSignal.timeout(PATIENCE_MS);
  let found;
  try {
    found = await fetch(path, {
      method,
      body,
      headers: { ...headers, ...(access.key ? { "x-functions-key": access.key } : {}) },
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      cache: "no-store",
      redirect: "manual",
    });
    const status = found.type === "opaqueredirect" ? 401 : found.status; // a redirect leads to a page to sign in on
    if (status >= 400) throw await refusalOf(status, found);
    const said = status === 204 ? null : await found[as]();
    return { status, body: said, retryAfterS: Number(found.headers.get("Retry-After")) || null };
  } catch (error) {
    if (error instanceof Refused) {
      if (error.status === 401 || error.status === 403) askForKey(error);
      throw error;
    }
    if (signal?.aborted) throw error;
    throw new Away(error.name === "TimeoutError" ? "The server did not answer in time." : "The server cannot be reached.");
  }
}

/** What a refusal says; the host's own have no body of ours. */
async function refusalOf(status, found) {
  const said = await found.json().catch(() => null);
  const isOurs = said !== null && typeof said.message === "string";
  const told = isOurs ? said : { code: `http-${status}`, message: `The server answered with status ${status}.` };
  return new Refused(status, told, Number(found.headers.get("Retry-After")) || null);
}

/** What an error says to a person. */
function wordsOf(error) {
  return error instanceof Refused || error instanceof Away ? sentence(error.message) : `This page failed: ${error.message}`;
}

function sentence(text) {
  const line = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

/** A line at the top of the page; an empty one takes it away. */
function notice(text) {
  const line = byId("notice");
  say(line, text);
  line.hidden = !text;
}

/** The server does not let us in: says so, and asks for a key. */
function askForKey(error) {
  const refusal = error.status === 403 ? "may not do this" : "is needed";
  say(byId("access-says"), access.key ? "The server does not accept this key" : `Access ${refusal}: status ${error.status}`);
  if (error.code && !error.code.startsWith("http-")) say(byId("access-says"), sentence(error.message));
  if (byId("access").hidden) {
    byId("access").hidden = false;
    byId("access-key").focus();
  }
}

byId("access").addEventListener("submit", (event) => {
  event.preventDefault();
  access.key = byId("access-key").value.trim();
  byId("access-key").value = "";
  byId("access").hidden = true;
  notice("");
  route();
});

/** A document of the API in a tab of its own, or in a file of that name. A link cannot carry the key, so with one the
 *  document is fetched and shown from here. */
async function openDocument(path, name) {
  const { body } = await ask("GET", path, { as: "blob" });
  const address = URL.createObjectURL(body);
  h("a", { href: address, download: name, ...(name ? {} : { target: "_blank", rel: "noopener" }) }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

/** Makes the link open path: as it is where no key is needed, else through openDocument. */
function documentLink(link, path, name) {
  link.href = path;
  if (name) link.download = name;
  link.onclick = (event) => {
    if (!access.key) return;
    event.preventDefault();
    openDocument(path, name).catch((error) => notice(wordsOf(error)));
  };
}
