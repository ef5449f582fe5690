import { constants } from 'node:fs';

// Agents own the files of their conversations: one may put a link in place of its transcript, to be shown another
// session's, or a pipe, at which an open would wait. Windows has neither flag.
const PLAIN = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Opens a file to read, unless it is a link. */
export const READ_PLAIN = constants.O_RDONLY | PLAIN;
/** Opens a file to write at its end, unless it is a link. */
export const APPEND_PLAIN = constants.O_WRONLY | constants.O_APPEND | PLAIN;
/** Opens a file to write anywhere, unless it is a link. */
export const WRITE_PLAIN = constants.O_WRONLY | PLAIN;
