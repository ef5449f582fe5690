import { realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Options } from '@anthropic-ai/claude-agent-sdk';
import { SETTING_SOURCES } from 'claude-agent-protocol';
import type { StartOptions } from '../agent.ts';
import { gitWithoutPrograms, type ReadGit } from '../git.ts';

/** Sources in the session's folder. */
const OF_FOLDER: readonly string[] = ['project', 'local'];

/**
 * The setting sources of a process. Measured on 2.1.330: besides instructions, the source "project" brings hooks,
 * environment, permissions, plugins, skills, commands and subagents with programs in them, and .mcp.json; no key of
 * the flag layer disables them all. So an untrusted folder is not a source. Its instructions (CLAUDE.md, its imports
 * from the folder, .claude/rules) are read as those of an additional folder, which brings nothing else.
 */
export function folderOptions(
  start: StartOptions,
): Pick<Options, 'settingSources' | 'additionalDirectories'> {
  const { setting_sources: asked, additional_directories: more, trust_project: trusted } = start.options;
  if (trusted) {
    return { ...(asked && { settingSources: asked }), ...(more && { additionalDirectories: more }) };
  }
  return {
    settingSources: (asked ?? SETTING_SOURCES).filter((source) => !OF_FOLDER.includes(source)),
    additionalDirectories: readsTexts(start) ? [...(more ?? []), start.cwd] : (more ?? []),
  };
}

/** Environment variables that keep an untrusted folder from running anything. */
export async function guardedEnvironment(
  start: StartOptions,
  env: Record<string, string>,
  readGit: ReadGit,
): Promise<Record<string, string>> {
  if (start.options.trust_project) return env;
  return {
    ...env,
    ...(await gitWithoutPrograms(start.cwd, env, false, readGit)),
    ...((await hasOwnTexts(start)) && { CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD: '1' }),
  };
}

/**
 * Whether instructions are wanted and belong to the folder: a repository can make CLAUDE.md a link to any file of the
 * user, and Claude Code follows it (measured; imports and rules it checks itself).
 */
async function hasOwnTexts(start: StartOptions): Promise<boolean> {
  if (!readsTexts(start)) return false;
  const folders = [start.cwd, ...(start.options.additional_directories ?? [])];
  return !(await Promise.all(folders.map(leadsOut))).includes(true);
}

async function leadsOut(folder: string): Promise<boolean> {
  const texts = ['CLAUDE.md', join('.claude', 'CLAUDE.md')];
  const home = await realpath(folder);
  const targets = await Promise.all(texts.map((text) => realpath(join(folder, text)).catch(() => home)));
  return targets.some((target) => relative(home, target).startsWith('..'));
}

const readsTexts = ({ options }: StartOptions): boolean =>
  (options.setting_sources ?? SETTING_SOURCES).includes('project');
