import { isDeepStrictEqual } from 'node:util';
import { type CreateSession, SessionOptions } from 'claude-agent-protocol';
import { SESSION_OPTIONS } from 'claude-agent-protocol/session-options';
import type { z } from 'zod';
import { problem } from '../errors.ts';
import type { SessionRecord } from '../store/store.ts';

/** What of a session a resume may set anew. */
export type Settable = Pick<SessionRecord, 'title' | 'metadata' | 'model' | 'permissionMode' | 'options'>;

/** What a resume asks for that the session does not have yet: each part only if it is another. */
export function changesOf(record: SessionRecord, request: z.output<typeof CreateSession>): Partial<Settable> {
  const { title, metadata, model, permission_mode: permissionMode } = request;
  const options = { ...record.options, ...SessionOptions.parse(request) };
  // None of them is the same as nothing said of them.
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
 * Checks that a process that runs can take the changes.
 * @throws AppError 409 that names those that need another process
 */
export function requireLive(
  { id, options: before }: SessionRecord,
  { options: asked }: Partial<Settable>,
): void {
  const fields = Object.keys(asked ?? {}) as (keyof SessionOptions)[];
  const held = fields.filter(
    (field) => !('live' in SESSION_OPTIONS[field]) && !isDeepStrictEqual(asked?.[field], before[field]),
  );
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
