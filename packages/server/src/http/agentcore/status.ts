/** Whether a server works, and since when it does or does not. */
export interface Status {
  look(): { isBusy: boolean; since: number };
}

/**
 * AgentCore ends a session some time after it was last busy, by the time that we name: with the present moment in each
 * answer it would run, and cost, up to its longest life.
 */
export function createStatus(isBusy: () => boolean, now: () => number = Date.now): Status {
  let state = { isBusy: false, since: now() };
  return {
    look() {
      const busy = isBusy();
      if (busy !== state.isBusy) state = { isBusy: busy, since: now() };
      return state;
    },
  };
}
