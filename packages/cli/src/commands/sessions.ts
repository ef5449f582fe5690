import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { available, openSessions } from '../listing.ts';
import { oneLine, truncate } from '../term/text.ts';
import { ago } from '../view/numbers.ts';

/** `claude-agent sessions`: what can be resumed, newest first. */
export async function sessions({ args, client, paint, stdout, stderr }: Context): Promise<ExitCode> {
  const limit = args.limit ?? 20;
  const [{ sessions: found, total }, states] = await Promise.all([
    available(client, { limit, cwd: args.options.cwd }),
    openSessions(client),
  ]);
  if (args.json) {
    const merged = found.map((entry) => ({ ...entry, live: states.get(entry.session_id) ?? null }));
    stdout.write(`${JSON.stringify({ sessions: merged, total }, undefined, 2)}\n`);
    return EXIT.done;
  }
  const now = Date.now();
  for (const { session_id, modified, preview, project } of found) {
    const state = states.get(session_id)?.state ?? '';
    const facts = `${session_id}  ${ago(Date.parse(modified), now).padStart(12)}  ${state.padEnd(10)}`;
    const line = `${facts}  ${oneLine(preview)}  ${paint.dim(oneLine(project ?? ''))}`;
    stdout.write(`${stdout.isTTY ? truncate(line, stdout.columns) : line}\n`);
  }
  if (total > found.length) {
    stderr.write(`${found.length} of ${total}; --limit ${total} shows all of them.\n`);
  }
  if (found.length === 0) stdout.write('There are no sessions yet.\n');
  return EXIT.done;
}
