import { isDeepStrictEqual } from 'node:util';
import { type CreateSession, SessionOptions } from 'claude-agent-protocol';
import { SESSION_OPTIONS } from 'claude-agent-protocol/session-options';
import type { z } from 'zod';
import { problem } from '../errors.ts';
import type { SessionRecord } from '../store/store.ts';

/** The parts of a session that a resume may change. */
export type Settable = Pick<
  SessionRecord,
  'title' | 'metadata' | 'model' | 'permissionMode' | 'options' | 'secrets'
>;

/** The settings of a resume that differ from the session's. */
export function changesOf(record: SessionRecord, request: z.output<typeof CreateSession>): Partial<Settable> {
  const { title, metadata, model, permission_mode: permissionMode } = request;
  const options = { ...record.options, ...SessionOptions.parse(request) };
  // An empty list means the same as leaving it out.
  if (Object.keys(options.hooks ?? {}).length === 0) delete options.hooks;
  if (options.custom_tools?.length === 0) delete options.custom_tools;
  const asked = { title, metadata, model, permissionMode, options };
  return Object.fromEntries(
    Object.entries(asked).filter(
      ([key, value]) => value !== undefined && !isDeepStrictEqual(value, record[key as keyof Settable]),
    ),
  );
}

/**
 * Checks that a running process can take the changes.
 * @throws AppError 409 that names the options that need a new process
 */
export function requireLive(
  { id, options: before }: SessionRecord,
  { options: asked, secrets }: Partial<Settable>,
): void {
  const fields = Object.keys(asked ?? {}) as (keyof SessionOptions)[];
  const held: string[] = fields.filter(
    (field) => !('live' in SESSION_OPTIONS[field]) && !isDeepStrictEqual(asked?.[field], before[field]),
  );
  if (secrets !== undefined) held.push('secrets');
  if (held.length === 0) return;
  held.sort();
  throw problem('options_need_restart', {
    id,
    fields: held,
    errors: held.map((field) => ({
      path: `body.${field}`,
      message: 'takes effect only when the agent starts',
    })),
  });
}
