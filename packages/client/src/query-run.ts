import type { CreateSession, StreamFrame } from 'claude-agent-protocol';
import type { AgentMessage } from './agent-message.ts';
import type { AgentClient } from './client.ts';
import { resultOf } from './frames.ts';
import { type Callbacks, connectCallbacks } from './query-callbacks.ts';
import { inProcessServers, type QueryOptions, sessionOptionsOf, type UserPrompt } from './query-options.ts';
import { createPermissions } from './query-permissions.ts';
import type { AgentSession } from './session.ts';
import { stopTurns } from './stop-turns.ts';

/** A session with the program's callbacks connected to it. */
export interface StartedQuery {
  session: AgentSession;
  callbacks: Callbacks;
}

/**
 * Opens the session of a query.
 * @throws UnsupportedOption for options and hooks that cannot work over HTTP
 */
export async function startQuery(
  client: AgentClient,
  options: QueryOptions,
  onError: (error: unknown) => void,
): Promise<StartedQuery> {
  const create = sessionOptionsOf(options);
  const callbacks = await connectCallbacks(options.hooks ?? {}, inProcessServers(options), onError);
  try {
    // Also when there are none: a session that is resumed may have those of a program that is gone.
    return { session: await openSession(client, options, { ...create, ...callbacks.fields }), callbacks };
  } catch (error) {
    await callbacks.stop();
    throw error;
  }
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

/** Sends the prompts and yields the agent's messages until all of them are answered. `stop` ends it early. */
export async function* runQuery(
  { session, callbacks }: StartedQuery,
  stop: AbortController,
  prompt: string | AsyncIterable<UserPrompt>,
  options: QueryOptions,
): AsyncGenerator<AgentMessage, void> {
  const abort = options.abortController?.signal;
  const onAbort = (): void => stop.abort();
  abort?.addEventListener('abort', onAbort, { once: true });
  const permissions = createPermissions({
    session,
    callbacks: options,
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
