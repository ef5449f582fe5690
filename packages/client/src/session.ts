import type {
  Input,
  InterruptScope,
  Output,
  PermissionMode,
  PermissionRequest,
  RespondPermission,
  SendMessage,
  SessionCreated,
  StreamFrame,
  UserInput,
} from 'claude-agent-protocol';
import { endpoints } from 'claude-agent-protocol/endpoints';
import type { Caller, CallOptions } from './caller.ts';
import { readFrame } from './frames.ts';
import type { Transport } from './http.ts';
import { type Connection, readEvents } from './sse.ts';
import { type SendOptions, type SentTurn, sendTurn } from './turn.ts';

export interface EventsOptions {
  /** Start after this event number. Default: 0, the whole log. */
  after?: number;
  /** Aborting ends the iteration, quietly. */
  signal?: AbortSignal;
  onConnection?: (connection: Connection) => void;
}

export interface SubmitOptions extends CallOptions {
  whenBusy?: SendMessage['when_busy'];
  /** `background`: `turn.settled` tells when the work that the turn began in the background is over too. */
  waitFor?: SendMessage['wait_for'];
  idempotencyKey?: string;
}

/** What a permission handler answers: yes or no, or everything that the route takes. */
export type PermissionAnswer = boolean | Omit<RespondPermission, 'request_id'>;

/** Decides one request. The signal fires when the request was settled elsewhere in the meantime. */
export type PermissionHandler = (
  request: PermissionRequest,
  context: { signal: AbortSignal },
) => PermissionAnswer | undefined | Promise<PermissionAnswer | undefined>;

/** A handle on one session of the server. It holds no state but the id; several may exist for one session. */
export interface AgentSession {
  readonly id: string;
  /** What `create` answered; undefined for a handle made with `client.session(id)`. */
  readonly created: SessionCreated | undefined;
  /** Sends a message: await the result, or iterate the events. */
  send(message: UserInput, options?: SendOptions): SentTurn;
  /** Hands a message over without waiting for the answer: resolves once the server has written it down. */
  submit(message: UserInput, options?: SubmitOptions): Promise<Output<'sendMessage', 202>>;
  /** The session's log and, once that is read, what happens live. Reconnects by itself; ends on `signal`. */
  events(options?: EventsOptions): AsyncGenerator<StreamFrame, void, void>;
  /** Answers permission requests, also those already waiting. Returns a function that stops it. */
  onPermission(handler: PermissionHandler, options?: { onError?: (error: unknown) => void }): () => void;
  respond(answer: RespondPermission): Promise<void>;
  /** Decides a hook that waits (`hook.requested`). */
  respondHook(answer: Input<'respondHook'>['body']): Promise<void>;
  /** Gives the result of a custom tool that waits (`tool.requested`). */
  respondTool(answer: Input<'respondTool'>['body']): Promise<void>;
  commands(): Promise<Output<'listCommands'>['commands']>;
  models(): Promise<Output<'listModels'>['models']>;
  agents(): Promise<Output<'listAgents'>['agents']>;
  mcpServers(): Promise<Output<'listMcp'>['servers']>;
  reconnectMcp(name: string): Promise<void>;
  toggleMcp(name: string, enabled: boolean): Promise<void>;
  info(options?: CallOptions): Promise<Output<'getSession'>>;
  /** Ends the running turn; with scope "all" also background tasks and what is queued. */
  interrupt(options?: { scope?: InterruptScope }): Promise<void>;
  /** What the agent does in the background. */
  tasks(): Promise<Output<'listTasks'>['tasks']>;
  stopTask(taskId: string): Promise<void>;
  /** Takes back a message that is still queued. */
  cancel(turnId: string): Promise<Output<'cancelTurn'>>;
  setModel(model: string | null): Promise<void>;
  setMode(mode: PermissionMode): Promise<void>;
  update(changes: Input<'patchSession'>['body']): Promise<Output<'patchSession'>>;
  fork(options?: NonNullable<Input<'forkSession'>['body']>): Promise<AgentSession>;
  rewind(messageId: string, options?: { dryRun?: boolean }): Promise<Output<'rewindSession'>>;
  history(page?: { limit?: number; offset?: number }): Promise<Output<'listMessages'>['messages']>;
  turns(page?: { limit?: number; after?: string }): Promise<Output<'listTurns'>['turns']>;
  turn(turnId: string): Promise<Output<'getTurn'>>;
  context(): Promise<Output<'getContext'>>;
  usage(): Promise<Output<'getSessionUsage'>>;
  serverInfo(): Promise<Output<'getServerInfo'>>;
  /** Settles what waits and ends the agent's process. The session can be resumed later. */
  close(): Promise<void>;
  /** Closes the session and removes all there is of it, the agent's files included. */
  erase(): Promise<void>;
  /** All there is of it as JSON Lines, for `client.sessions.import` on another server; as it is read. */
  export(options?: Pick<CallOptions, 'signal'>): Promise<ReadableStream<Uint8Array>>;
}

export interface SessionDeps {
  transport: Transport;
  call: Caller;
  /** How long an ordinary request may take. */
  timeoutMs: number;
}

export function createSessionHandle(deps: SessionDeps, id: string, created?: SessionCreated): AgentSession {
  const { transport, call } = deps;
  const params = { session_id: id };
  const session: AgentSession = {
    id,
    created,
    send: (message, options) => sendTurn(transport, id, message, options),
    submit: async (message, options = {}) => {
      const response = await transport({
        ...endpoints.sendMessage,
        params,
        headers: {
          prefer: 'respond-async',
          'idempotency-key': options.idempotencyKey ?? crypto.randomUUID(),
        },
        body: { message, when_busy: options.whenBusy, wait_for: options.waitFor },
        signal: options.signal,
        timeoutMs: options.timeoutMs ?? deps.timeoutMs,
      });
      return (await response.json()) as Output<'sendMessage', 202>;
    },
    events: (options) => sessionEvents(transport, id, options),
    onPermission: (handler, options) => answerPermissions(session, handler, options?.onError),
    respond: async (body) => void (await call('respondPermission', { params, body })),
    respondHook: async (body) => void (await call('respondHook', { params, body })),
    respondTool: async (body) => void (await call('respondTool', { params, body })),
    commands: async () => (await call('listCommands', { params })).commands,
    models: async () => (await call('listModels', { params })).models,
    agents: async () => (await call('listAgents', { params })).agents,
    mcpServers: async () => (await call('listMcp', { params })).servers,
    reconnectMcp: async (name) => void (await call('reconnectMcp', { params: { ...params, name } })),
    toggleMcp: async (name, enabled) =>
      void (await call('toggleMcp', { params: { ...params, name }, body: { enabled } })),
    info: (options) => call('getSession', { params }, options),
    interrupt: async (options = {}) => void (await call('interrupt', { params, body: options })),
    tasks: async () => (await call('listTasks', { params })).tasks,
    stopTask: async (task_id) => void (await call('stopTask', { params: { session_id: id, task_id } })),
    cancel: (turn_id) => call('cancelTurn', { params: { session_id: id, turn_id } }),
    setModel: async (model) => void (await call('setModel', { params, body: { model } })),
    setMode: async (mode) => void (await call('setPermissionMode', { params, body: { mode } })),
    update: (body) => call('patchSession', { params, body }),
    fork: async (body = {}) => {
      const copy = await call('forkSession', { params, body });
      return createSessionHandle(deps, copy.session_id, copy);
    },
    rewind: (messageId, options) =>
      call('rewindSession', {
        params,
        body: { message_id: messageId, dry_run: options?.dryRun ?? false },
      }),
    history: async (page) => (await call('listMessages', { params, query: page })).messages,
    turns: async (page) => (await call('listTurns', { params, query: page })).turns,
    turn: (turn_id) => call('getTurn', { params: { session_id: id, turn_id } }),
    context: () => call('getContext', { params }),
    usage: () => call('getSessionUsage', { params }),
    serverInfo: () => call('getServerInfo', { params }),
    close: async () => void (await call('closeSession', { params })),
    async erase() {
      // A large session takes longer than an ordinary request.
      await transport({ ...endpoints.closeSession, params, query: { erase: 'true' } });
    },
    async export({ signal } = {}) {
      const { body } = await transport({ ...endpoints.exportSession, params, signal });
      return body ?? new ReadableStream({ start: (controller) => controller.close() });
    },
  };
  return session;
}

async function* sessionEvents(
  transport: Transport,
  id: string,
  options: EventsOptions = {},
): AsyncGenerator<StreamFrame, void, void> {
  const events = readEvents({
    // Without a position the server starts with the oldest event that it keeps.
    lastEventId: options.after === undefined ? undefined : String(options.after),
    signal: options.signal,
    onConnection: options.onConnection,
    open: (lastEventId, signal) =>
      transport({
        ...endpoints.sessionEvents,
        params: { session_id: id },
        headers: { accept: 'text/event-stream', ...(lastEventId && { 'last-event-id': lastEventId }) },
        signal,
      }),
  });
  for await (const event of events) yield readFrame(event);
}

function answerPermissions(
  session: AgentSession,
  handler: PermissionHandler,
  onError: (error: unknown) => void = () => undefined,
): () => void {
  const stop = new AbortController();
  const open = new Map<string, AbortController>();

  const decide = async (request: PermissionRequest): Promise<void> => {
    if (open.has(request.request_id)) return;
    const superseded = new AbortController();
    open.set(request.request_id, superseded);
    try {
      const answer = await handler(request, { signal: superseded.signal });
      if (answer === undefined || superseded.signal.aborted) return;
      const body = typeof answer === 'boolean' ? { allowed: answer } : answer;
      await session.respond({ request_id: request.request_id, ...body });
    } catch (error) {
      if (!superseded.signal.aborted) onError(error);
    }
  };

  const run = async (): Promise<void> => {
    // One answer holds both what waits now and the event number from which to go on: nothing falls between.
    const { pending_permissions, last_seq } = await session.info({ signal: stop.signal });
    for (const request of pending_permissions) void decide(request);
    for await (const frame of session.events({ after: last_seq, signal: stop.signal })) {
      if (frame.type === 'permission.requested') void decide(frame.data);
      else if (frame.type === 'permission.resolved') open.get(frame.data.request_id)?.abort();
    }
  };
  run().catch((error: unknown) => {
    if (!stop.signal.aborted) onError(error);
  });
  return () => {
    stop.abort();
    for (const superseded of open.values()) superseded.abort();
  };
}
