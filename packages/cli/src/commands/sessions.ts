import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { available, matchingSessions, openSessions } from '../listing.ts';
import { oneLine, truncate } from '../term/text.ts';
import { ago } from '../view/numbers.ts';

const DEFAULT_LIMIT = 20;

/** `claude-agent sessions`: what can be resumed, newest first; with a filter, the server's sessions that match. */
export async function sessions(context: Context): Promise<ExitCode> {
  const { query, metadata, status, state, rest } = context.args;
  if (rest.length > 0) return (await import('./move.ts')).move(context);
  const isFiltered = [query, metadata, status, state].some((filter) => filter !== undefined);
  return isFiltered ? listMatching(context) : listAvailable(context);
}

async function listAvailable(context: Context): Promise<ExitCode> {
  const { args, client, stdout, stderr } = context;
  const [{ sessions: found, total }, states] = await Promise.all([
    available(client, { limit: args.limit ?? DEFAULT_LIMIT, cwd: args.options.cwd }),
    openSessions(client),
  ]);
  if (args.json) {
    const merged = found.map((entry) => ({ ...entry, live: states.get(entry.session_id) ?? null }));
    stdout.write(`${JSON.stringify({ sessions: merged, total }, undefined, 2)}\n`);
    return EXIT.done;
  }
  for (const { session_id: id, modified, preview, project } of found) {
    writeLine(context, { id, at: modified, state: states.get(id)?.state, text: preview, folder: project });
  }
  if (total > found.length) {
    stderr.write(`${found.length} of ${total}; --limit ${total} shows all of them.\n`);
  }
  if (found.length === 0) stdout.write('There are no sessions yet.\n');
  return EXIT.done;
}

async function listMatching(context: Context): Promise<ExitCode> {
  const { args, client, stdout, stderr } = context;
  const { cwd } = args.options;
  const { sessions: found, hasMore } = await matchingSessions(client, {
    limit: args.limit ?? DEFAULT_LIMIT,
    status: args.status ?? 'all',
    ...(cwd !== undefined && { cwd }),
    ...(args.query !== undefined && { q: args.query }),
    ...(args.state !== undefined && { state: args.state }),
    ...(args.metadata !== undefined && { metadata: args.metadata }),
  });
  if (args.json) {
    stdout.write(`${JSON.stringify({ sessions: found, has_more: hasMore }, undefined, 2)}\n`);
    return EXIT.done;
  }
  for (const { session_id: id, last_activity: at, state, title, cwd: folder } of found) {
    writeLine(context, { id, at, state, text: title ?? '', folder });
  }
  if (hasMore) stderr.write('More sessions match; --limit N shows more of them.\n');
  if (found.length === 0) stdout.write('No session matches.\n');
  return EXIT.done;
}

interface Row {
  id: string;
  /** When it was used last. */
  at: string;
  state: string | undefined;
  text: string;
  folder: string | null;
}

function writeLine({ paint, stdout }: Context, { id, at, state = '', text, folder }: Row): void {
  const facts = `${id}  ${ago(Date.parse(at), Date.now()).padStart(12)}  ${state.padEnd(10)}`;
  const line = `${facts}  ${oneLine(text)}  ${paint.dim(oneLine(folder ?? ''))}`;
  stdout.write(`${stdout.isTTY ? truncate(line, stdout.columns) : line}\n`);
}
