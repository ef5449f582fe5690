import type { UserInput } from 'claude-agent-protocol';

/** A message on one line. */
export const wordsOf = (message: UserInput): string =>
  typeof message === 'string'
    ? message
    : message.map((block) => (block.type === 'text' ? block.text : `[${block.type}]`)).join(' ');
