import type { Options } from '@anthropic-ai/claude-agent-sdk';
import type { SessionOptions } from 'claude-agent-protocol';
import {
  type SameOption,
  type SdkOptions,
  sessionOptionEntries,
} from 'claude-agent-protocol/session-options';
import { isObject } from '../../is-object.ts';
import type { StartOptions } from '../agent.ts';
import { modelEnvironment } from '../environment.ts';
import { folderOptions } from './trust.ts';

/**
 * When a process starts, the agent deletes what is older than this (its default is 30 days): transcripts, those of
 * subagents, copies of changed files and task lists (measured on 2.1.330: with this, none of them). Sessions of this
 * server last until they are deleted: 100 years.
 */
const KEEP_TRANSCRIPTS_DAYS = 36_500;

/** A session's options as the SDK's, for a process to start with. */
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
    // With this, an interrupt ends only the turn. Without it, it also kills every background subagent (measured).
    perTaskStopAffordance: true,
    pluginDelivery: 'initialize',
    // The flag layer overrides the user's and the project's settings files. It is passed on the command line, which
    // every user of the machine can read: it must hold no secret.
    settings: overlay(options.settings ?? {}, {
      cleanupPeriodDays: KEEP_TRANSCRIPTS_DAYS,
      // Without this, any agent of the same user can send this one a message, which it then works on (measured):
      // another key's session, another server's, or one in a terminal.
      crossSessionInbound: 'refuse',
      env: modelEnvironment(start),
    }),
  };
  // The SDK's type knows one header; the agent passes on what it is given.
  if (options.betas) given.betas = options.betas as NonNullable<Options['betas']>;
  if (start.model !== undefined) given.model = start.model;
  if (start.title !== null) given.title = start.title;
  return given;
}

/** What came as JSON holds no undefined: a field that was left out is not there. */
type Given<T> = T extends readonly (infer U)[]
  ? Given<U>[]
  : T extends object
    ? { [K in keyof T]: Given<Exclude<T[K], undefined>> }
    : T;
/** Does not compile for a name that the SDK does not have. */
type InSdk<N extends keyof Options> = N;
/** The options that are passed on unchanged, by the SDK's names. */
type SameOptions = {
  [N in InSdk<keyof SdkOptions> as SdkOptions[N] extends SameOption ? N : never]?: Given<
    NonNullable<SessionOptions[Extract<SdkOptions[N], SameOption>]>
  >;
};

/** They were validated at the edge, and the compiler checks that the SDK takes them. */
function sameOptions(options: SessionOptions): SameOptions {
  return Object.fromEntries(
    sessionOptionEntries.flatMap(([field, { sdk, handed }]) => {
      const value = options[field as keyof SessionOptions];
      return handed === 'same' && sdk !== undefined && value !== undefined ? [[sdk, value]] : [];
    }),
  );
}

/**
 * The agent records the system prompt in the transcript and from then on sends the record, even if a later process
 * gets another (measured on 2.1.330: a resume with another text sent the first one). Here a resume sends the prompt it
 * is given, unless the caller wants the record.
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
