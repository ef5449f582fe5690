import { type Hunk, textHunks } from 'claude-agent-client';
import { lazily } from '../lazily.ts';

const library = lazily<typeof import('diff')>('diff');

/** Compares two texts line by line. */
export const diffHunks = (before: string, after: string, context?: number): Hunk[] =>
  textHunks(library().structuredPatch, before, after, context);
