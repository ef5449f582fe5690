import type { AgentEvents } from '../agent.ts';

/** The events that a process asks through. The others come from its messages. */
export type Asked = Pick<AgentEvents, 'onQuestion' | 'onCall' | 'onBeforeCall'>;
