"use strict";

/* Looking again and again: as often as the server says, seldom where it is slow, and never unseen. */

const SLOWEST_S = 60;
const BUSY_SHARE = 5; // a look that takes a second is followed by four of rest

/** Looks now and from time to time. `look` gives the seconds until the next one, null for never again.
 *  `failed` hears of a refusal, which ends it; a server that is away is asked again later. */
function poll(look, failed) {
  let timer = 0, over = false, isBusy = false, isWanted = false, misses = 0;

  async function turn() {
    clearTimeout(timer);
    if (over) return;
    if (isBusy) {
      isWanted = true;
      return;
    }
    if (document.hidden) return; // being seen begins it again
    isBusy = true;
    const began = performance.now();
    const waitS = await looked();
    isBusy = false;
    if (waitS === null) stop();
    if (over) return;
    const tookS = (performance.now() - began) / 1000;
    const restS = isWanted ? 0 : Math.min(SLOWEST_S, Math.max(waitS, tookS * (BUSY_SHARE - 1)));
    isWanted = false;
    timer = setTimeout(turn, restS * 1000);
  }

  async function looked() {
    try {
      const waitS = await look();
      if (misses) notice("");
      misses = 0;
      return waitS;
    } catch (error) {
      if (over) return null;
      if (error instanceof Refused && error.status < 500 && error.status !== 429) {
        failed(error);
        return null;
      }
      misses += 1;
      notice(`${wordsOf(error)} Trying again.`);
      return Math.max(error.retryAfterS ?? 0, Math.min(30, 2 ** misses));
    }
  }

  function stop() {
    over = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", turn);
  }

  document.addEventListener("visibilitychange", turn);
  turn();
  return { stop, now: turn };
}
