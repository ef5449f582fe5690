/** Numbers and names that more than one package has to agree on. Free of zod. */

export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 8000;
/** Where a server listens by default. */
export const DEFAULT_SERVER = `http://${DEFAULT_HOST}:${DEFAULT_PORT}`;

/**
 * How long an ordinary request may take. The server gives an agent no longer than this to start, so that
 * the client can still receive the reason.
 */
export const REQUEST_TIMEOUT_MS = 60_000;

/** Proxies close silent connections after 30 to 60 seconds: a stream sends something at least this often. */
export const KEEP_ALIVE_MS = 15_000;
/** A stream that has been silent for four keep-alives is lost. */
export const STREAM_IDLE_MS = 4 * KEEP_ALIVE_MS;

/** The longest time limit of a permission request: a week. 0 means no limit. */
export const MAX_PERMISSION_TIMEOUT_SECONDS = 7 * 24 * 3600;
