import { ApiError, ServerUnreachable } from 'claude-agent-client';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { isThisMachine } from '../open-session.ts';
import { plural } from '../view/numbers.ts';
import { programVersion } from './help.ts';

interface Finding {
  what: string;
  ok: boolean;
  detail: string;
}

const OLDEST_NODE = [22, 18] as const;

/** `claude-agent doctor`: goes from this program to the agent and says at each step whether it works. */
export async function doctor(context: Context): Promise<ExitCode> {
  const { args, paint, stdout } = context;
  const findings: Finding[] = [];
  let serverAway = false;
  for (const check of [checkNode, checkServer, checkKey, checkReady, checkVersion, checkAgent]) {
    const finding = await check(context).catch((error: unknown) => failed(error));
    findings.push(finding);
    if (!args.json) {
      const mark = finding.ok ? paint.green('✓') : paint.red('✗');
      stdout.write(`${mark} ${paint.bold(finding.what.padEnd(10))} ${finding.detail}\n`);
    }
    // Without a server there is nothing more to look at.
    serverAway = check === checkServer && !finding.ok;
    if (serverAway) break;
  }
  const ok = findings.every((finding) => finding.ok);
  if (args.json) stdout.write(`${JSON.stringify({ ok, findings }, undefined, 2)}\n`);
  if (serverAway) return EXIT.serverAway;
  return ok ? EXIT.done : EXIT.failed;
}

function failed(error: unknown): Finding {
  return { what: 'Check', ok: false, detail: error instanceof Error ? error.message : String(error) };
}

async function checkNode(): Promise<Finding> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldMajor, oldMinor] = OLDEST_NODE;
  const ok = major > oldMajor || (major === oldMajor && minor >= oldMinor);
  const needed = ok ? '' : `: ${oldMajor}.${oldMinor} or newer is needed`;
  return {
    what: 'Program',
    ok,
    detail: `claude-agent ${programVersion()} on Node ${process.versions.node}${needed}`,
  };
}

async function checkServer({ client }: Context): Promise<Finding> {
  try {
    const health = await client.health({ timeoutMs: 5000 });
    const detail = `${client.baseUrl} is ${health.status}, ${plural(health.active_sessions, 'active session')}`;
    return { what: 'Server', ok: true, detail };
  } catch (error) {
    const local = isThisMachine(client.baseUrl) ? ' In the repository: npm start' : '';
    const detail = error instanceof ServerUnreachable ? `${error.message}${local}` : failed(error).detail;
    return { what: 'Server', ok: false, detail };
  }
}

async function checkKey({ args, client }: Context): Promise<Finding> {
  try {
    await client.call('listSessions', { query: { limit: '1' } });
    const detail = args.apiKey === undefined ? 'the server wants none from here' : 'the server takes it';
    return { what: 'Key', ok: true, detail };
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 403)) throw error;
    const how =
      args.apiKey === undefined ? 'Set CLAUDE_AGENT_API_KEY, or give --api-key.' : 'Is it the right one?';
    return { what: 'Key', ok: false, detail: `${error.detail} ${how}` };
  }
}

async function checkReady({ client }: Context): Promise<Finding> {
  try {
    await client.call('ready');
    return { what: 'Ready', ok: true, detail: 'the server takes work' };
  } catch (error) {
    return { what: 'Ready', ok: false, detail: failed(error).detail };
  }
}

async function checkVersion({ client }: Context): Promise<Finding> {
  const document = await client.call('openapi');
  const info = document.info as { version?: string } | undefined;
  const server = info?.version ?? 'unknown';
  const own = programVersion();
  const ok = server.split('.')[0] === own.split('.')[0];
  return {
    what: 'Versions',
    ok,
    detail: ok ? `server ${server}, client ${own}` : `the server is ${server}, this client ${own}`,
  };
}

/** Starts an agent for real: a missing binary or a wrong credential shows only then. */
async function checkAgent({ client }: Context): Promise<Finding> {
  const session = await client.sessions.create({ title: 'claude-agent doctor' }).catch((error: unknown) => {
    if (error instanceof ApiError) return error;
    throw error;
  });
  if (session instanceof ApiError) return { what: 'Agent', ok: false, detail: session.detail };
  try {
    const { account, models } = await session.serverInfo();
    const count = Array.isArray(models) ? `, ${plural(models.length, 'model')}` : '';
    if (session.created?.model === 'demo') {
      const how = 'Set ANTHROPIC_API_KEY where the server starts.';
      return {
        what: 'Agent',
        ok: true,
        detail: `starts, but the demo model answers instead of a real one. ${how}`,
      };
    }
    const source = (account as { apiKeySource?: string; tokenSource?: string } | undefined) ?? {};
    const key = source.apiKeySource ?? source.tokenSource;
    return { what: 'Agent', ok: true, detail: `starts${key ? `, credential from ${key}` : ''}${count}` };
  } finally {
    await session.close().catch(() => undefined);
  }
}
