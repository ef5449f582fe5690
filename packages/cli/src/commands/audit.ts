import type { AuditEntry } from 'claude-agent-protocol';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { oneLine, truncate } from '../term/text.ts';

const DEFAULT_LIMIT = 20;
const PAGE = 1000;

/** `claude-agent audit [SESSION]`: who changed what, newest first. With `--json`, one entry a line. */
export async function audit({ args, client, paint, stdout }: Context): Promise<ExitCode> {
  const [session] = args.rest;
  const limit = args.limit ?? DEFAULT_LIMIT;
  const query = { limit: Math.min(limit, PAGE), ...(session !== undefined && { session_id: session }) };
  let shown = 0;
  for await (const entry of client.list('listAudit', { query })) {
    const line = args.json ? JSON.stringify(entry) : lineOf(entry, paint.dim);
    stdout.write(`${!args.json && stdout.isTTY ? truncate(line, stdout.columns) : line}\n`);
    shown += 1;
    if (shown === limit) break;
  }
  if (shown === 0 && !args.json) stdout.write('Nothing was changed.\n');
  return EXIT.done;
}

function lineOf(entry: AuditEntry, dim: (text: string) => string): string {
  const { at, actor, address, action, session_id: session, params, status, problem, count } = entry;
  const who = `${actor.id ?? actor.kind}${address === null ? '' : ` (${address})`}`;
  const what = [session, ...Object.entries(params).map(([name, value]) => `${name}=${value}`)];
  const outcome = `${status}${problem === null ? '' : ` ${problem}`}${count > 1 ? ` x${count}` : ''}`;
  return `${oneLine(`${at} ${who} ${action} ${outcome}`)} ${dim(oneLine(what.filter(Boolean).join(' ')))}`;
}
