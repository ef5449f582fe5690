import { createHash } from 'node:crypto';

// Anthropic accepts tool names of up to 128 characters, most others 64, and Gemini requires a letter or `_` first.
const accepted = /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/;

/** Shortens a name, always in the same way, so that it matches the conversation's history. */
export function shortenToolName(name: string): string {
  if (accepted.test(name)) return name;
  const clean = name.replace(/[^a-zA-Z0-9_-]/g, '_').replace(/^(?![a-zA-Z_])/, '_');
  return `${clean.slice(0, 55)}_${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
}

/** Maps between the provider's and the request's tool names. */
export interface NameTable {
  /** The request's own name for a short one. */
  toolName(name: string): string;
  /** Whether a tool of this (short) name was offered. */
  isOffered(name: string): boolean;
}

export function createNameTable(names: Iterable<string>): NameTable {
  const back = new Map<string, string>();
  for (const name of names) back.set(shortenToolName(name), name);
  return { toolName: (name) => back.get(name) ?? name, isOffered: (name) => back.has(name) };
}
