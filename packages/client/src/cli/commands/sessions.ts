import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { oneLine, truncate } from '../term/text.ts';
import { ago } from '../view/numbers.ts';

/** `claude-agent sessions`: what can be resumed, newest first. */
export async function sessions({ args, client, paint, stdout }: Context): Promise<ExitCode> {
  const limit = args.limit ?? 20;
  const page = args.cwd === undefined ? { limit } : { limit, cwd: args.cwd };
  const [available, { sessions: live }] = await Promise.all([
    client.sessions.available(page),
    client.sessions.list({ limit: 1000 }),
  ]);
  const states = new Map(live.map((session) => [session.session_id, session]));
  if (args.json) {
    const merged = available.map((entry) => ({ ...entry, live: states.get(entry.session_id) ?? null }));
    stdout.write(`${JSON.stringify({ sessions: merged }, undefined, 2)}\n`);
    return EXIT.done;
  }
  const now = Date.now();
  for (const { session_id, modified, preview, project } of available) {
    const state = states.get(session_id)?.state ?? '';
    const facts = `${session_id}  ${ago(Date.parse(modified), now).padStart(12)}  ${state.padEnd(10)}`;
    const line = `${facts}  ${oneLine(preview)}  ${paint.dim(oneLine(project ?? ''))}`;
    stdout.write(`${stdout.isTTY ? truncate(line, stdout.columns) : line}\n`);
  }
  if (available.length === 0) stdout.write('There are no sessions yet.\n');
  return EXIT.done;
}
