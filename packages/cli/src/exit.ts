/** What the program's exit code says. */
export const EXIT = {
  done: 0,
  /** The turn ran and failed, or the server refused the request. */
  failed: 1,
  usage: 2,
  serverAway: 3,
  /** A tool needs a permission, and nobody is there to give it. */
  permissionNeeded: 4,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A mistake in how the program was called. */
export class UsageError extends Error {}
