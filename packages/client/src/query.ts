import type {
  CreateSession,
  PermissionMode,
  PermissionRequest,
  RespondPermission,
  StreamFrame,
} from 'claude-agent-protocol';
import type { AgentMessage } from './agent-message.ts';
import { AgentClient } from './client.ts';
import { environmentDefaults } from './defaults.ts';
import { type Callbacks, connectCallbacks } from './query-callbacks.ts';
import {
  type CanUseTool,
  inProcessServers,
  type PermissionUpdate,
  type QueryOptions,
  sessionOptionsOf,
  type UserPrompt,
} from './query-options.ts';
import type { AgentSession } from './session.ts';
import { stopTurns } from './stop-turns.ts';
import { resultOf } from './turn.ts';

/** The agent's messages, one after the other, and what can be done meanwhile; shaped like the agent SDK's. */
export interface Query extends AsyncGenerator<AgentMessage, void> {
  interrupt(): Promise<void>;
  setModel(model?: string): Promise<void>;
  setPermissionMode(mode: PermissionMode): Promise<void>;
  supportedCommands(): Promise<unknown[]>;
  supportedModels(): Promise<unknown[]>;
  initializationResult(): Promise<Record<string, unknown>>;
  getContextUsage(): Promise<Record<string, unknown>>;
  rewindFiles(
    userMessageId: string,
    options?: { dryRun?: boolean },
  ): Promise<{
    canRewind: boolean;
    error?: string;
    filesChanged: string[];
    insertions: number;
    deletions: number;
  }>;
  /** The session on the server: everything else that can be done with it. */
  session(): Promise<AgentSession>;
}

/**
 * Runs a prompt on the server and yields the SDK's own messages. A program written for the agent SDK's `query()`
 * moves from in-process to remote by importing this one instead.
 */
export function query({
  prompt,
  options = {},
}: {
  prompt: string | AsyncIterable<UserPrompt>;
  options?: QueryOptions;
}): Query {
  const defaults = environmentDefaults();
  const client = new AgentClient({
    baseUrl: options.server ?? defaults.server,
    apiKey: options.apiKey ?? defaults.apiKey,
  });
  const failed = new AbortController();
  const connecting = (async () => {
    const create = sessionOptionsOf(options);
    const callbacks = await connectCallbacks(options.hooks ?? {}, inProcessServers(options), (error) =>
      failed.abort(error),
    );
    return { create, callbacks };
  })();
  const opening = connecting.then(async ({ create, callbacks }) => {
    try {
      // Also when there are none: a session that is resumed may have those of a program that is gone.
      return await openSession(client, options, { ...create, ...callbacks.fields });
    } catch (error) {
      await callbacks.stop();
      throw error;
    }
  });
  // Nobody may be waiting yet; the error comes out of the first `next()`.
  opening.catch(() => undefined);

  return Object.assign(run(opening, connecting, failed, prompt, options), {
    session: () => opening,
    interrupt: async () => (await opening).interrupt(),
    setModel: async (model?: string) => (await opening).setModel(model ?? null),
    setPermissionMode: async (mode: PermissionMode) => (await opening).setMode(mode),
    supportedCommands: async () => (await (await opening).serverInfo()).commands,
    supportedModels: async () => {
      const { models } = await (await opening).serverInfo();
      return Array.isArray(models) ? models : [];
    },
    initializationResult: async () => (await opening).serverInfo(),
    getContextUsage: async () => (await opening).context(),
    rewindFiles: async (userMessageId: string, rewind?: { dryRun?: boolean }) => {
      const done = await (await opening).rewind(userMessageId, rewind);
      return {
        canRewind: done.can_rewind,
        filesChanged: done.files_changed,
        insertions: done.insertions,
        deletions: done.deletions,
        ...(done.error !== null && { error: done.error }),
      };
    },
  });
}

async function openSession(
  client: AgentClient,
  options: QueryOptions,
  create: CreateSession,
): Promise<AgentSession> {
  if (options.continue && create.resume_session_id === undefined) {
    const page = create.cwd === undefined ? { limit: 1 } : { limit: 1, cwd: create.cwd };
    const [latest] = await client.sessions.available(page);
    if (latest) create.resume_session_id = latest.session_id;
  }
  return client.sessions.create(create);
}

async function* run(
  opening: Promise<AgentSession>,
  connecting: Promise<{ callbacks: Callbacks }>,
  stop: AbortController,
  prompt: string | AsyncIterable<UserPrompt>,
  options: QueryOptions,
): AsyncGenerator<AgentMessage, void> {
  const session = await opening;
  const { callbacks } = await connecting;
  const abort = options.abortController?.signal;
  const onAbort = (): void => stop.abort();
  abort?.addEventListener('abort', onAbort, { once: true });
  const permissions = createPermissions({
    session,
    canUseTool: options.canUseTool,
    // In a session that others use, what their messages ask for is theirs to answer.
    isOurs: async ({ turn_id: id }) =>
      !session.created?.was_live ||
      id === null ||
      ownTurns.has(id) ||
      (await sent?.ids())?.includes(id) === true,
    onError: (error) => stop.abort(error),
  });
  /** Turns of the agent itself: news of background work. */
  const ownTurns = new Set<string>();
  let isRunning = true;
  let sent: ReturnType<typeof send> | undefined;
  try {
    abort?.throwIfAborted();
    const { last_seq: after, tasks } = await session.info();
    // A server that does not list tasks does not tell either when they are over.
    sent = send(session, prompt, stop, tasks === undefined ? 'turn' : 'background');
    for await (const frame of session.events({ after, signal: stop.signal })) {
      if (frame.type === 'turn.started' && frame.data.initiator === 'agent' && frame.turn_id !== null) {
        ownTurns.add(frame.turn_id);
      }
      permissions.see(frame);
      callbacks.see(session, frame);
      const message = messageOf(frame, options);
      if (message) yield message;
      sent.see(frame, message);
      if (sent.isDone()) break;
    }
    abort?.throwIfAborted();
    if (stop.signal.aborted && stop.signal.reason !== DONE) throw stop.signal.reason;
    isRunning = false;
  } finally {
    stop.abort();
    permissions.stop();
    await callbacks.stop();
    abort?.removeEventListener('abort', onAbort);
    const isShared = session.created?.was_live === true;
    if (isRunning) {
      const ended =
        isShared && sent ? stopTurns(session, await sent.ids()) : session.interrupt({ scope: 'all' });
      await ended.catch(() => undefined);
    }
    if (!options.keepSession && !isShared) await session.close().catch(() => undefined);
  }
}

function messageOf(frame: StreamFrame, options: QueryOptions): AgentMessage | undefined {
  if (frame.type === 'agent.message') return frame.data as unknown as AgentMessage;
  if (frame.type === 'agent.delta' && options.includePartialMessages) {
    return frame.data as unknown as AgentMessage;
  }
  return undefined;
}

/**
 * Hands the prompts over and knows when all of them are answered, and the background work that they began is over
 * too. Measured in-process, on 2.1.330: `query()` goes on after the first result until no task runs any more and the
 * agent's own turn about it has brought a result of its own, whether the prompt is a text or a stream.
 */
function send(
  session: AgentSession,
  prompt: string | AsyncIterable<UserPrompt>,
  stop: AbortController,
  waitFor: 'turn' | 'background',
) {
  const open = new Set<string>();
  /** A turn may end before the answer to its sending is here. */
  const ended = new Set<string>();
  const ids: string[] = [];
  let isComplete = false;
  let hasResult = false;

  let pending: Promise<void> = Promise.resolve();

  const submit = (content: UserPrompt['message']['content']): Promise<void> => {
    const take = async (): Promise<void> => {
      const { turn_id: id } = await session.submit(content, { waitFor });
      ids.push(id);
      if (!ended.has(id)) open.add(id);
    };
    stop.signal.throwIfAborted();
    pending = take();
    return pending;
  };
  const sendAll = async (): Promise<void> => {
    if (typeof prompt === 'string') await submit(prompt);
    else for await (const { message } of prompt) await submit(message.content);
    isComplete = true;
    // The last turn may be over already: then no further frame would end the reading.
    if (open.size === 0) stop.abort(DONE);
  };
  sendAll().catch((error: unknown) => stop.abort(error));

  return {
    see(frame: StreamFrame, message: AgentMessage | undefined): void {
      if (message?.type === 'result') hasResult = true;
      if (frame.turn_id === null) return;
      const isEnd = resultOf(frame) !== undefined;
      if (waitFor === 'background' ? frame.type === 'turn.settled' : isEnd) {
        if (!open.delete(frame.turn_id)) ended.add(frame.turn_id);
      }
      // The SDK throws where its process ends without a result.
      if (frame.type === 'turn.failed' && !hasResult) throw new Error(frame.data.error.message);
      if (isEnd) hasResult = false;
    },
    /** The turns that are ours; waits for the answer to a sending that is under way. */
    ids: () =>
      pending.then(
        () => ids,
        () => ids,
      ),
    isDone: () => isComplete && open.size === 0,
  };
}

const DONE = Symbol('done');

type Suggestions = PermissionUpdate[];

/** Puts permission requests to the program's callback. Without one they are denied, as the SDK does. */
function createPermissions({
  session,
  canUseTool,
  isOurs,
  onError,
}: {
  session: AgentSession;
  canUseTool: CanUseTool | undefined;
  isOurs(request: PermissionRequest): Promise<boolean>;
  onError: (error: unknown) => void;
}) {
  const open = new Map<string, AbortController>();

  const decide = async (request: PermissionRequest, signal: AbortSignal): Promise<void> => {
    if (!(await isOurs(request))) return;
    const answer = await answerOf(request, canUseTool, signal);
    if (!signal.aborted) await session.respond({ request_id: request.request_id, ...answer });
  };

  return {
    see(frame: StreamFrame): void {
      if (frame.type === 'permission.requested') {
        const moot = new AbortController();
        open.set(frame.data.request_id, moot);
        decide(frame.data, moot.signal).catch((error: unknown) => {
          if (!moot.signal.aborted) onError(error);
        });
      } else if (frame.type === 'permission.resolved') {
        open.get(frame.data.request_id)?.abort();
        open.delete(frame.data.request_id);
      }
    },
    stop(): void {
      for (const moot of open.values()) moot.abort();
    },
  };
}

async function answerOf(
  request: PermissionRequest,
  canUseTool: CanUseTool | undefined,
  signal: AbortSignal,
): Promise<Omit<RespondPermission, 'request_id'>> {
  if (!canUseTool) return { allowed: false, message: 'This program gives no permissions (no canUseTool).' };
  const result = await canUseTool(request.tool_name, request.tool_input, {
    signal,
    suggestions: request.suggestions as Suggestions,
    toolUseID: request.tool_use_id ?? '',
    requestId: request.request_id,
    defaultToNo: request.default_to_no,
    ...(request.agent_id !== null && { agentID: request.agent_id }),
    ...(request.blocked_path !== null && { blockedPath: request.blocked_path }),
    ...(request.decision_reason !== null && { decisionReason: request.decision_reason }),
    ...(request.title !== null && { title: request.title }),
    ...(request.description !== null && { description: request.description }),
  });
  if (result.behavior === 'deny') {
    return { allowed: false, message: result.message, interrupt: result.interrupt ?? false };
  }
  const { updatedInput, updatedPermissions = [] } = result;
  const apply = updatedPermissions.length > 0;
  if (apply && JSON.stringify(updatedPermissions) !== JSON.stringify(request.suggestions)) {
    throw new Error('Over HTTP, updatedPermissions can only be the suggestions as they were given.');
  }
  return { allowed: true, apply_suggestions: apply, ...(updatedInput && { updated_input: updatedInput }) };
}
