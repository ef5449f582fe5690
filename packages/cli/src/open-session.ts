import { type AgentClient, type AgentSession, ApiError } from 'claude-agent-client';
import type { CreateSession, PermissionMode } from 'claude-agent-protocol';
import { MODEL_ALIASES, PERMISSION_MODES } from 'claude-agent-protocol/reasons';
import { isLoopback } from 'claude-agent-protocol/same-machine';
import type { Args } from './args.ts';
import { UsageError } from './exit.ts';

export interface OpenedSession {
  session: AgentSession;
  /** True for a new session, false for a resumed one. */
  isNew: boolean;
  /** What the user should know: the server chose another folder, or the model has no key. */
  notices: readonly string[];
}

/** A session that was opened, with what the server warns of. */
export function openedSession(session: AgentSession, isNew: boolean, ...notices: string[]): OpenedSession {
  return { session, isNew, notices: [...notices, ...(session.created?.warnings ?? [])] };
}

/** What the flags say about a session, but its folder. */
function creationOptions({ options }: Args): CreateSession {
  const { cwd: _, model: asked, permission_mode: mode, ...others } = options;
  const model = asked === undefined ? null : modelName(asked);
  return {
    ...others,
    ...(model !== null && { model }),
    ...(mode !== undefined && { permission_mode: modeName(mode) }),
  };
}

/** Opens the session that the flags name: `--resume`, `--continue`, or a new one. */
export async function openSession(client: AgentClient, args: Args, cwd: string): Promise<OpenedSession> {
  const id =
    args.resume ?? (args.continue ? await latestSession(client, args.options.cwd ?? cwd) : undefined);
  return id === undefined ? createSession(client, args, cwd) : resumeSession(client, args, id);
}

async function latestSession(client: AgentClient, cwd: string): Promise<string> {
  const [latest] = await client.sessions.available({ cwd, limit: 1 });
  if (!latest) throw new UsageError(`There is no session of ${cwd} to go on with. Leave --continue out.`);
  return latest.session_id;
}

/**
 * Goes on with a session that was chosen from a list, or while the program runs. The flags are not about this one in
 * particular: where its running agent cannot take them, it keeps what it has, and the user is told.
 */
export async function resumeChosen(client: AgentClient, args: Args, id: string): Promise<OpenedSession> {
  try {
    return await resumeSession(client, args, id);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'options_need_restart') throw error;
    const session = await client.sessions.create({
      resume_session_id: id,
      ...(args.force && { force: true }),
    });
    const kept = error.errors.map(({ path }) => path.replace(/^body\./, '')).join(', ');
    return openedSession(session, false, `This session's agent runs already and keeps its own ${kept}.`);
  }
}

/** Goes on with the session that a flag names: what the other flags say is applied, or refused. */
async function resumeSession(client: AgentClient, args: Args, id: string): Promise<OpenedSession> {
  const session = await client.sessions.create({
    ...creationOptions(args),
    resume_session_id: id,
    ...(args.force && { force: true }),
  });
  // A model and a mode came with the request; only "no particular model" cannot be asked for in it.
  const { model } = args.options;
  if (model !== undefined && modelName(model) === null) await session.setModel(null);
  return openedSession(session, false);
}

/**
 * Makes a session in `--cwd`, else in the folder where the program was started, if the server is on this machine
 * and allows it; else in the server's own first folder.
 */
export async function createSession(client: AgentClient, args: Args, cwd: string): Promise<OpenedSession> {
  const options = creationOptions(args);
  const { cwd: asked } = args.options;
  if (asked !== undefined) {
    return openedSession(await client.sessions.create({ ...options, cwd: asked }), true);
  }
  if (!isThisMachine(client.baseUrl)) {
    return openedSession(await client.sessions.create(options), true);
  }
  try {
    return openedSession(await client.sessions.create({ ...options, cwd }), true);
  } catch (error) {
    if (!isAboutFolder(error)) throw error;
    const session = await client.sessions.create(options);
    const where = session.created?.cwd ?? 'its own folder';
    return openedSession(session, true, `The server does not open ${cwd}; the agent works in ${where}.`);
  }
}

/** A model as it is typed: known names in any case; `default` (null) asks for no particular one. */
export function modelName(text: string, known: readonly string[] = []): string | null {
  const names = [...MODEL_ALIASES, ...known];
  const name = names.find((one) => one.toLowerCase() === text.toLowerCase()) ?? text;
  return name === 'default' ? null : name;
}

/** A mode in any case. One that we do not know goes to the server as it is: it may know more. */
function modeName(text: string): PermissionMode {
  const known = PERMISSION_MODES.find((mode) => mode.toLowerCase() === text.toLowerCase());
  return known ?? (text as PermissionMode);
}

export function isThisMachine(baseUrl: string): boolean {
  return isLoopback(new URL(baseUrl).hostname);
}

function isAboutFolder(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return (
    error.code.includes('cwd') || error.code.includes('folder') || error.errors.some((e) => e.path === 'cwd')
  );
}
