import type {
  CreateSession,
  Input,
  Output,
  RespondPermission,
  SessionEvent,
  SessionState,
} from 'claude-agent-protocol';
import { REQUEST_TIMEOUT_MS } from 'claude-agent-protocol/constants';
import { endpoints } from 'claude-agent-protocol/endpoints';
import { type Arguments, type Caller, type CallOptions, createCaller } from './caller.ts';
import { isDurable, readFrame } from './frames.ts';
import { createTransport, type Transport, type TransportOptions } from './http.ts';
import { type ListItem, type ListName, readPages } from './pages.ts';
import { type AgentSession, createSessionHandle, type EventsOptions } from './session.ts';
import { readEvents } from './sse.ts';

export interface AvailablePage {
  limit?: number;
  offset?: number;
  /** `next_cursor` of the page before. */
  cursor?: string;
  /** Only sessions of this folder. */
  cwd?: string;
}

interface AllEventsOptions extends EventsOptions {
  /** Called with the id of each session that is erased: its events are, too. */
  onErased?: (sessionId: string) => void;
}

/** A client of one server. Holds an address and a key, no connection: nothing needs closing. */
export class AgentClient {
  readonly baseUrl: string;
  readonly call: Caller;
  readonly #transport: Transport;
  readonly #timeoutMs: number;

  constructor(options: TransportOptions) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.#transport = createTransport(options);
    this.#timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    this.call = createCaller(this.#transport, this.#timeoutMs);
  }

  readonly sessions = {
    /** Makes a session, or resumes one with `resume_session_id`. */
    create: async (options: CreateSession = {}, call?: CallOptions): Promise<AgentSession> => {
      const created = await this.call('createSession', { body: options }, call);
      return this.#handle(created.session_id, created);
    },
    /** A handle on a session that exists; 404 when it does not. */
    get: async (id: string): Promise<AgentSession> => {
      const session = this.#handle(id);
      await session.info();
      return session;
    },
    /**
     * Takes over an exported session, closed: a resume continues it. `cwd`: its folder there. A browser sends a Blob
     * (a chosen file) only: Chromium streams no request over HTTP/1.1.
     */
    import: async (
      exported: ReadableStream<Uint8Array> | Blob,
      { cwd, signal }: { cwd?: string; signal?: AbortSignal } = {},
    ): Promise<Output<'importSession'>> => {
      const response = await this.#transport({
        ...endpoints.importSession,
        query: { cwd },
        headers: { 'content-type': 'application/x-ndjson' },
        stream: exported,
        signal,
      });
      return (await response.json()) as Output<'importSession'>;
    },
    /** One page of the server's sessions, newest activity first. */
    list: (
      page: {
        limit?: number;
        cursor?: string;
        status?: 'connected' | 'closed' | 'all';
        /** Only open sessions that do one of these now. */
        state?: readonly Exclude<SessionState, 'closed'>[] | undefined;
        /** Only sessions that work in this folder. */
        cwd?: string;
        /** Only sessions with this text in their title or in a message that was sent to them. */
        q?: string;
        /** Only sessions whose metadata has these members. */
        metadata?: Record<string, string | number | boolean | null>;
      } = {},
      call?: CallOptions,
    ): Promise<Output<'listSessions'>> =>
      this.call(
        'listSessions',
        {
          query: {
            ...page,
            state: page.state?.join(','),
            metadata: page.metadata && JSON.stringify(page.metadata),
          },
        },
        call,
      ),
    /** How many sessions run, wait for a person, work in the background, or are idle. */
    countStates: (call?: CallOptions): Promise<Output<'countStates'>> => this.call('countStates', {}, call),
    /** Everything that can be resumed from the agent's transcripts on disk, newest first. */
    available: async (page: AvailablePage = {}): Promise<Output<'listAvailable'>['sessions']> =>
      (await this.sessions.availablePage(page)).sessions,
    /** The same with the number of all (`total`) and where the next page begins (`next_cursor`). */
    availablePage: (page: AvailablePage = {}): Promise<Output<'listAvailable'>> =>
      this.call('listAvailable', { query: page }),
  };

  /** What new sessions can be given: the folders in a folder (the roots without a path), and all models. */
  readonly choices = {
    folders: (
      query: { path?: string; hidden?: boolean; limit?: number; cursor?: string } = {},
      call?: CallOptions,
    ): Promise<Output<'listFolders'>> =>
      this.call(
        'listFolders',
        { query: { ...query, hidden: query.hidden ? ('true' as const) : undefined } },
        call,
      ),
    models: (
      query: { limit?: number; cursor?: string } = {},
      call?: CallOptions,
    ): Promise<Output<'listOfferedModels'>> => this.call('listOfferedModels', { query }, call),
  };

  readonly permissions = {
    /** The approval inbox: what waits for an answer, in every session. */
    list: (): Promise<Output<'listPermissions'>> => this.call('listPermissions'),
    /** A page of what was answered or has ended, the last first. */
    settled: (page: { limit?: number; cursor?: string } = {}): Promise<Output<'listPermissions'>> =>
      this.call('listPermissions', { query: { ...page, state: 'settled' } }),
    /** One request, whatever became of it. */
    get: (sessionId: string, requestId: string): Promise<Output<'getPermission'>> =>
      this.call('getPermission', { params: { session_id: sessionId, request_id: requestId } }),
    respond: async (sessionId: string, answer: RespondPermission): Promise<void> => {
      await this.#handle(sessionId).respond(answer);
    },
  };

  /** Browsers of the caller that are told of requests. */
  readonly push = {
    /** The key that browsers subscribe with; null when the server sends no push messages. */
    publicKey: async (): Promise<string | null> => (await this.call('getPush')).public_key,
    subscribe: (subscription: Input<'createPushSubscription'>['body']) =>
      this.call('createPushSubscription', { body: subscription }),
    list: async (): Promise<Output<'listPushSubscriptions'>['subscriptions']> =>
      (await this.call('listPushSubscriptions')).subscriptions,
    remove: async (id: string): Promise<void> => {
      await this.call('deletePushSubscription', { params: { subscription_id: id } });
    },
    test: async (id: string): Promise<void> => {
      await this.call('testPushSubscription', { params: { subscription_id: id } });
    },
  };

  /** A handle on a session, without asking whether it exists. */
  session(id: string): AgentSession {
    return this.#handle(id);
  }

  /** Every session's control events. Starts now, or after a cursor of `permissions.list()`. */
  async *events(options: AllEventsOptions = {}): AsyncGenerator<SessionEvent, void, void> {
    const events = readEvents({
      lastEventId: options.after?.toString(),
      signal: options.signal,
      onConnection: options.onConnection,
      open: (lastEventId, signal) =>
        this.#transport({
          ...endpoints.allEvents,
          headers: { accept: 'text/event-stream', 'last-event-id': lastEventId },
          signal,
        }),
    });
    for await (const event of events) {
      const frame = readFrame(event);
      if (isDurable(frame)) yield frame;
      else if (frame.type === 'session.erased') options.onErased?.(frame.session_id);
    }
  }

  /** Every item of a list, over all of its pages: `client.list('listTurns', { params: { session_id } })`. */
  list<N extends ListName>(name: N, ...rest: Arguments<Input<N>>): AsyncGenerator<ListItem<N>, void, void> {
    return readPages(this.call, name, ...rest);
  }

  usage(): Promise<Output<'getUsage'>> {
    return this.call('getUsage');
  }

  /** The limits of this key and its tenant, and what is used of them. */
  limits(): Promise<Output<'getLimits'>> {
    return this.call('getLimits');
  }

  health(options?: CallOptions): Promise<Output<'health'>> {
    return this.call('health', {}, options);
  }

  #handle(id: string, created?: AgentSession['created']): AgentSession {
    return createSessionHandle(
      { transport: this.#transport, call: this.call, timeoutMs: this.#timeoutMs },
      id,
      created,
    );
  }
}

/** The same as `new AgentClient(options)`. */
export function createClient(options: TransportOptions): AgentClient {
  return new AgentClient(options);
}
