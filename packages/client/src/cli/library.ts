/** What the terminal client uses of the library: without the contract's schemas, which cost 70 ms to load. */
export { AgentClient } from '../client.ts';
export { ApiError, RequestTimeout, ServerUnreachable } from '../errors.ts';
export type { AgentSession } from '../session.ts';
export { type Connection, pause } from '../sse.ts';
export { stopTurns } from '../stop-turns.ts';
export { resultOf } from '../turn.ts';
