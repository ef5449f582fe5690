import type { Options } from '@anthropic-ai/claude-agent-sdk';
import type { SessionOptions } from 'claude-agent-protocol';
import { sessionOptionEntries } from 'claude-agent-protocol/session-options';
import type { StartOptions } from '../agent.ts';
import { modelEnvironment } from '../environment.ts';
import { folderOptions } from './trust.ts';

/**
 * The agent deletes every transcript of the machine that is older than this when a process starts (its default is
 * 30 days). A session here lasts until somebody deletes it: 100 years.
 */
const KEEP_TRANSCRIPTS_DAYS = 36_500;

/** What a process is started with: a session's own options in the words of the SDK. */
export function sdkOptions(start: StartOptions, allowBypassPermissions: boolean): Options {
  const { options } = start;
  const given: Options = {
    ...sameOptions(options),
    cwd: start.cwd,
    ...folderOptions(start),
    ...(start.resume ? { resume: start.conversationId } : { sessionId: start.conversationId }),
    permissionMode: start.permissionMode,
    allowDangerouslySkipPermissions: allowBypassPermissions,
    systemPrompt: systemPrompt(start),
    includePartialMessages: true,
    forwardSubagentText: true,
    enableFileCheckpointing: true,
    // Keeps the secrets of MCP servers off the command line, which every user of the machine can read.
    mcpServersDelivery: 'initialize',
    // An interrupt then ends the turn only. Without this it also kills every subagent in the background (measured).
    perTaskStopAffordance: true,
    pluginDelivery: 'initialize',
    // The flag layer: it beats the user's and the project's settings files. It travels on the command line, which
    // every user of the machine can read: no secret may stand in it.
    settings: overlay(options.settings ?? {}, {
      cleanupPeriodDays: KEEP_TRANSCRIPTS_DAYS,
      // Without this, any agent of the machine's user may send this one a message, unasked, and this one works on it
      // (measured): another key's session, another server's, or one in a terminal.
      crossSessionInbound: 'refuse',
      env: modelEnvironment(start),
    }),
  };
  if (start.model !== undefined) given.model = start.model;
  if (start.title !== null) given.title = start.title;
  return given;
}

/** The options that are handed over as they are; their form was checked at the edge. */
function sameOptions(options: SessionOptions): Options {
  return Object.fromEntries(
    sessionOptionEntries.flatMap(([field, { sdk, handed }]) => {
      const value = options[field as keyof SessionOptions];
      return handed === 'same' && sdk !== undefined && value !== undefined ? [[sdk, value]] : [];
    }),
  ) as Options;
}

/**
 * The agent records the system prompt in the transcript and sends the record from then on, whatever a later process is
 * given (measured on 2.1.330: a resume with another text sent the first one). A resume may bring another: it sends
 * what it is given, unless the caller wants the record.
 */
function systemPrompt({ resume, options }: StartOptions): NonNullable<Options['systemPrompt']> {
  const asked = options.system_prompt ?? { type: 'preset', preset: 'claude_code' };
  const form = typeof asked === 'string' ? { type: 'custom', prompt: asked } : asked;
  return { ...(resume && { snapshot: false }), ...form } as NonNullable<Options['systemPrompt']>;
}

/** The caller's settings with the server's own on top. */
function overlay(
  below: Record<string, unknown>,
  above: Record<string, unknown> & Options['settings'] & object,
): Options['settings'] & object {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = merged[key];
    merged[key] = isObject(under) && isObject(value) ? { ...under, ...value } : value;
  }
  return merged;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
