import type { PermissionRequest } from 'claude-agent-protocol';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode, UsageError } from '../exit.ts';
import { toolLine } from '../view/tools.ts';

/** `claude-agent permissions`: the approval inbox; `permissions allow ID`, `permissions deny ID`. */
export async function permissions(context: Context): Promise<ExitCode> {
  const [action, id, ...more] = context.args.rest;
  if (action === undefined) return list(context);
  if ((action !== 'allow' && action !== 'deny') || id === undefined || more.length > 0) {
    throw new UsageError('permissions takes nothing, or: allow ID, deny ID');
  }
  return answer(context, id, action === 'allow');
}

async function list({ args, client, paint, stdout }: Context): Promise<ExitCode> {
  const { permissions: waiting } = await client.permissions.list();
  if (args.json) {
    stdout.write(`${JSON.stringify({ permissions: waiting }, undefined, 2)}\n`);
    return EXIT.done;
  }
  for (const request of waiting) {
    const call = toolLine(request.tool_name, request.tool_input, 120, paint);
    stdout.write(`${request.request_id}  ${call}  ${paint.dim(`session ${request.session_id}`)}\n`);
  }
  if (waiting.length === 0) stdout.write('Nothing waits for an answer.\n');
  return EXIT.done;
}

async function answer({ args, client, stdout }: Context, id: string, allowed: boolean): Promise<ExitCode> {
  const { permissions: waiting } = await client.permissions.list();
  const request = find(waiting, id);
  const message = allowed || args.message === undefined ? {} : { message: args.message };
  await client.permissions.respond(request.session_id, {
    request_id: request.request_id,
    allowed,
    ...message,
  });
  const result = { request_id: request.request_id, session_id: request.session_id, allowed };
  stdout.write(args.json ? `${JSON.stringify(result)}\n` : `${allowed ? 'Allowed' : 'Denied'}.\n`);
  return EXIT.done;
}

/** The beginning of an id is enough when it is the only one that begins so. */
function find(waiting: readonly PermissionRequest[], id: string): PermissionRequest {
  const matching = waiting.filter((request) => request.request_id.startsWith(id));
  const [found] = matching;
  if (found === undefined)
    throw new UsageError(`No request ${id} waits. claude-agent permissions lists them.`);
  if (matching.length > 1)
    throw new UsageError(`${matching.length} requests begin with ${id}; give more of it.`);
  return found;
}
