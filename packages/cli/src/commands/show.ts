import type { Context } from '../context.ts';
import { EXIT, type ExitCode, UsageError } from '../exit.ts';
import { oneLine } from '../term/text.ts';
import { ago } from '../view/numbers.ts';
import { toolArgument, toolTitle } from '../view/tools.ts';

/** `claude-agent show ID`: one session. */
export async function show({ args, client, paint, stdout }: Context): Promise<ExitCode> {
  const id = sessionArgument(args.rest, 'show');
  const session = client.session(id);
  const [info, turns] = await Promise.all([session.info(), session.turns({ limit: 1000 })]);
  if (args.json) {
    stdout.write(`${JSON.stringify({ ...info, turns }, undefined, 2)}\n`);
    return EXIT.done;
  }
  const rows: [string, string][] = [
    ['Session', info.session_id],
    ['Title', info.title ?? ''],
    ['State', info.state],
    ['Folder', info.cwd],
    ['Model', info.current_model ?? 'default'],
    ['Mode', info.permission_mode],
    ['Last activity', ago(Date.parse(info.last_activity), Date.now())],
    ['Messages', String(info.message_count)],
    ['Forked from', info.forked_from ?? ''],
    ['Metadata', Object.keys(info.metadata).length > 0 ? JSON.stringify(info.metadata) : ''],
  ];
  for (const [label, value] of rows) {
    if (value !== '') stdout.write(`${paint.bold(label.padEnd(14))} ${oneLine(value)}\n`);
  }
  for (const { description, started_at } of info.tasks ?? []) {
    const since = ago(Date.parse(started_at), Date.now());
    stdout.write(`${paint.cyan('Background'.padEnd(14))} ${oneLine(description)}  ${paint.dim(since)}\n`);
  }
  for (const { request_id, tool_name, tool_input } of info.pending_permissions) {
    const call = `${toolTitle(tool_name)}(${toolArgument(tool_name, tool_input)})`;
    stdout.write(`${paint.yellow('Waits for'.padEnd(14))} ${call}  ${paint.dim(request_id)}\n`);
  }
  for (const turn of turns.slice(-10)) {
    const text = typeof turn.message === 'string' ? turn.message : JSON.stringify(turn.message);
    const who = turn.initiator === 'agent' ? paint.dim('(the agent by itself) ') : '';
    stdout.write(`${paint.dim(turn.state.padEnd(14))} ${who}${oneLine(text).slice(0, 200)}\n`);
  }
  return EXIT.done;
}

/** The one argument that a command takes: a session's id. */
export function sessionArgument(rest: readonly string[], command: string): string {
  const [id, ...more] = rest;
  if (id === undefined || more.length > 0) {
    throw new UsageError(`Which session? claude-agent ${command} ID (claude-agent sessions lists them)`);
  }
  return id;
}
