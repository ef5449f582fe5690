import type { AgentEvents } from '../agent.ts';

/** Whom a process asks. The rest of the events comes from its messages. */
export type Asked = Pick<AgentEvents, 'onQuestion' | 'onCall'>;
