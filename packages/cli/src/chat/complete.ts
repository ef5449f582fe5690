import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { MODEL_ALIASES, PERMISSION_MODES } from 'claude-agent-protocol/reasons';
import type { Completer, Completion } from '../term/prompt.ts';
import { CHAT_COMMANDS } from './command-list.ts';

export interface CompleteDeps {
  /** Where relative file names begin. */
  cwd(): string;
  agentCommands(): readonly string[];
  models(): readonly string[];
}

const MOST_FILES = 200;

/** Completes `/commands`, the arguments of `model` and `mode`, and `@file` names. */
export function createCompleter({ cwd, agentCommands, models }: CompleteDeps): Completer {
  return async (text, cursor) => {
    const before = text.slice(0, cursor);
    const argument = /^\/?(model|mode) (\S*)$/.exec(before);
    if (argument) {
      const values = argument[1] === 'mode' ? PERMISSION_MODES : [...MODEL_ALIASES, ...models()];
      return options(before, argument[2] ?? '', [...new Set(values)], true);
    }
    if (/^\/[\w:-]*$/.test(before)) return commandOptions(before, agentCommands());
    const file = /(?:^|\s)@(\S*)$/.exec(before);
    return file ? fileOptions(before, file[1] ?? '', cwd()) : undefined;
  };
}

function options(before: string, typed: string, values: readonly string[], submits: boolean): Completion {
  const matching = values.filter((value) => value.toLowerCase().startsWith(typed.toLowerCase()));
  return {
    from: before.length - typed.length,
    options: matching.map((value) => ({ value, hint: '' })),
    submits,
  };
}

function commandOptions(before: string, agentCommands: readonly string[]): Completion {
  const own = CHAT_COMMANDS.map(({ name, help, takes }) => ({
    value: `/${name}${takes ? ' ' : ''}`,
    hint: takes ? `${takes}  ${help}` : help,
  }));
  const names = new Set<string>(CHAT_COMMANDS.map(({ name }) => name));
  const theirs = agentCommands
    .filter((name) => !names.has(name))
    .map((name) => ({ value: `/${name} `, hint: "the agent's own" }));
  const matching = [...own, ...theirs].filter(({ value }) => value.startsWith(before.toLowerCase()));
  const exact = matching.find(({ value }) => value.trim() === before);
  const sorted = exact ? [exact, ...matching.filter((option) => option !== exact)] : matching;
  return { from: 0, options: sorted, submits: true };
}

/** Files below the folder that was typed so far; hidden ones only when a dot was typed. */
async function fileOptions(before: string, typed: string, cwd: string): Promise<Completion | undefined> {
  const folder = typed.endsWith('/') ? typed : dirname(typed) === '.' ? '' : `${dirname(typed)}/`;
  const start = typed.endsWith('/') ? '' : basename(typed);
  const path = resolve(cwd, folder.replace(/^~(?=\/)/, homedir()));
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const found = entries
    .filter((entry) => entry.name.toLowerCase().startsWith(start.toLowerCase()))
    .filter((entry) => start.startsWith('.') || !entry.name.startsWith('.'))
    .sort((a, b) => Number(b.isDirectory()) - Number(a.isDirectory()) || a.name.localeCompare(b.name))
    .slice(0, MOST_FILES)
    .map((entry) => ({ value: `@${folder}${entry.name}${entry.isDirectory() ? '/' : ' '}`, hint: '' }));
  return { from: before.length - typed.length - 1, options: found, submits: false };
}
