/** Numbers and names that more than one package has to agree on. Free of zod. */

export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 8000;
/** Where a server listens when nobody says otherwise. */
export const DEFAULT_SERVER = `http://${DEFAULT_HOST}:${DEFAULT_PORT}`;

/**
 * How long an ordinary request may take. The server gives up on an agent that does not start within it, so that the
 * client still hears why.
 */
export const REQUEST_TIMEOUT_MS = 60_000;

/** Proxies close silent connections after 30 to 60 seconds: a stream says something at least this often. */
export const KEEP_ALIVE_MS = 15_000;
/** A stream that has been silent for four keep-alives is lost. */
export const STREAM_IDLE_MS = 4 * KEEP_ALIVE_MS;

/** The longest that a permission request may wait, apart from no limit at all: a week. */
export const MAX_PERMISSION_TIMEOUT_SECONDS = 7 * 24 * 3600;
