import { z } from 'zod';
import { SessionEvent } from './frames.ts';
import { RespondHook, RespondTool } from './schemas/call.ts';
import {
  ArgumentText,
  JsonObject,
  MetadataFilter,
  ModelName,
  queryInteger,
  SessionId,
  Timestamp,
  TurnId,
} from './schemas/common.ts';
import { Problem } from './schemas/error.ts';
import { HistoryMessage, SendMessage, Turn, TurnAccepted, TurnResult, TurnState } from './schemas/message.ts';
import { PermissionMode } from './schemas/options.ts';
import { PermissionRequest, RespondPermission } from './schemas/permission.ts';
import {
  AvailableSession,
  CreateSession,
  ForkSession,
  McpServerState,
  PatchSession,
  RewindResult,
  RewindSession,
  Session,
  SessionCreated,
  SessionDetail,
  SessionStatus,
  TotalUsage,
  Usage,
} from './schemas/session.ts';
import { BackgroundTask } from './schemas/task.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'HEAD';

/** One answer of a route: its meaning and, when it has a JSON body, the shape of it. */
export interface ResponseSpec {
  description: string;
  schema?: z.ZodType;
  /** Media types besides (or instead of) `application/json`. */
  media?: readonly string[];
}

/** A route as a value. The server mounts it, the client calls it, the documentation describes it. */
export interface RouteSpec {
  method: Method;
  /** With `{name}` placeholders. */
  path: string;
  summary: string;
  tag: 'sessions' | 'messages' | 'permissions' | 'events' | 'server' | 'gateway';
  params?: z.ZodObject;
  query?: z.ZodObject;
  headers?: z.ZodObject;
  body?: z.ZodType;
  /** False where an empty body stands for `{}`. */
  bodyRequired?: boolean;
  responses: Record<number, ResponseSpec>;
  /** True for the routes that are open even when the server has keys. */
  open?: boolean;
}

const route = <const R extends RouteSpec>(spec: R): R => spec;

const problem = (description: string): ResponseSpec => ({
  description,
  schema: Problem,
  media: ['application/problem+json'],
});

const session = { params: z.object({ session_id: SessionId }) };
const notFound = { 404: problem('No such session') };
const invalid = { 422: problem('The request does not have the right form') };
const live = {
  ...notFound,
  403: problem('Something of the session is not allowed (any more)'),
  409: problem('The session is closed, or its folder is gone'),
  502: problem('The agent cannot start'),
  504: problem('The agent does not answer'),
};

const pageLimit = queryInteger(1, 1000).default(100).meta({ description: 'How many a page has' });
const pageOffset = queryInteger(0, 1_000_000).default(0).meta({ description: 'How many to leave out first' });
const mcpServer = { params: z.object({ session_id: SessionId, name: z.string().min(1).max(256) }) };
const McpServers = z.object({ servers: z.array(McpServerState) });

/** Both event routes stream, or give pages. */
const eventsRequest = {
  query: z.object({
    after: queryInteger(0, Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({ description: 'Start after this event number; `Last-Event-ID` counts more' }),
    limit: queryInteger(1, 10_000).optional().meta({ description: 'How many events a page has' }),
  }),
  headers: z.object({ accept: z.string().optional(), 'last-event-id': z.string().optional() }),
};
const EventPage = z
  .object({ events: z.array(SessionEvent), next_after: z.int(), has_more: z.boolean() })
  .meta({ id: 'EventPage' });

export const routes = {
  // sessions
  createSession: route({
    method: 'POST',
    path: '/sessions',
    tag: 'sessions',
    summary: 'Create a session, or resume one',
    body: CreateSession,
    bodyRequired: false,
    responses: {
      200: { description: 'The session is ready', schema: SessionCreated },
      403: problem(
        'Folder, permission mode, trust, or what would run unasked, not allowed by the configuration',
      ),
      404: problem('No such session to resume'),
      409: problem('There is nothing to fork yet, the folder is gone, or the session was closed meanwhile'),
      ...invalid,
      502: problem('The agent cannot start; its own words are in `detail`'),
    },
  }),
  listSessions: route({
    method: 'GET',
    path: '/sessions',
    tag: 'sessions',
    summary: 'List sessions, newest activity first',
    query: z.object({
      limit: pageLimit,
      cursor: z.string().optional().meta({ description: 'The `next_cursor` of the page before' }),
      status: z.enum([...SessionStatus.options, 'all']).default('connected'),
      cwd: ArgumentText.optional().meta({ description: 'Only sessions that work in this folder' }),
      q: z.string().min(1).max(500).optional().meta({
        description: 'Only sessions with this text in their title or in a message that was sent to them',
      }),
      metadata: MetadataFilter.optional().meta({
        description: 'Only sessions whose metadata has these members, as JSON: `{"project":"x"}`',
      }),
    }),
    responses: {
      200: {
        description: 'One page; `next_cursor` is null on the last',
        schema: z.object({ sessions: z.array(Session), next_cursor: z.string().nullable() }),
      },
      ...invalid,
    },
  }),
  listAvailable: route({
    method: 'GET',
    path: '/sessions/available',
    tag: 'sessions',
    summary: "List everything that can be resumed, from the agent's transcripts on disk",
    query: z.object({
      limit: pageLimit,
      offset: pageOffset,
      cursor: z.string().optional(),
      cwd: ArgumentText.optional(),
    }),
    responses: {
      200: {
        description: 'Newest first; `next_cursor` is null on the last page, `total` counts all pages',
        schema: z.object({
          sessions: z.array(AvailableSession),
          total: z.int(),
          next_cursor: z.string().nullable(),
        }),
      },
      ...invalid,
    },
  }),
  getSession: route({
    method: 'GET',
    path: '/sessions/{session_id}',
    tag: 'sessions',
    summary: 'Everything about one session',
    ...session,
    responses: { 200: { description: 'The session', schema: SessionDetail }, ...notFound, ...invalid },
  }),
  getSessionStatus: route({
    method: 'GET',
    path: '/sessions/{session_id}/status',
    tag: 'sessions',
    summary: 'What a session is doing and what it waits for',
    ...session,
    responses: { 200: { description: 'The session', schema: SessionDetail }, ...notFound, ...invalid },
  }),
  patchSession: route({
    method: 'PATCH',
    path: '/sessions/{session_id}',
    tag: 'sessions',
    summary: 'Change title and metadata',
    ...session,
    body: PatchSession,
    responses: { 200: { description: 'The session', schema: SessionDetail }, ...notFound, ...invalid },
  }),
  closeSession: route({
    method: 'DELETE',
    path: '/sessions/{session_id}',
    tag: 'sessions',
    summary: 'Close a session: settle what waits, end its process',
    ...session,
    responses: {
      200: {
        description: 'Closed (also when it was closed before)',
        schema: z.object({ status: z.literal('closed') }),
      },
      ...notFound,
      ...invalid,
    },
  }),
  forkSession: route({
    method: 'POST',
    path: '/sessions/{session_id}/fork',
    tag: 'sessions',
    summary: 'Branch the conversation into a new session',
    ...session,
    body: ForkSession,
    bodyRequired: false,
    responses: {
      200: { description: 'The new session', schema: SessionCreated },
      ...live,
      ...invalid,
    },
  }),
  rewindSession: route({
    method: 'POST',
    path: '/sessions/{session_id}/rewind',
    tag: 'sessions',
    summary: 'Undo file changes back to a message',
    ...session,
    body: RewindSession,
    responses: {
      200: { description: 'What was (or would be) undone', schema: RewindResult },
      ...live,
      ...invalid,
    },
  }),
  setModel: route({
    method: 'POST',
    path: '/sessions/{session_id}/model',
    tag: 'sessions',
    summary: 'Change the model; null is the default model',
    ...session,
    body: z.object({ model: ModelName.nullable().default(null) }).meta({ id: 'SetModel' }),
    responses: {
      200: {
        description: 'Changed',
        schema: z.object({ status: z.literal('ok'), model: z.string().nullable() }),
      },
      ...live,
      ...invalid,
    },
  }),
  setPermissionMode: route({
    method: 'POST',
    path: '/sessions/{session_id}/permission_mode',
    tag: 'sessions',
    summary: 'Change the permission mode',
    ...session,
    body: z.object({ mode: PermissionMode }).meta({ id: 'SetPermissionMode' }),
    responses: {
      200: { description: 'Changed', schema: z.object({ status: z.literal('ok'), mode: PermissionMode }) },
      ...live,
      403: problem('The configuration forbids this mode'),
      ...invalid,
    },
  }),
  interrupt: route({
    method: 'POST',
    path: '/sessions/{session_id}/interrupt',
    tag: 'sessions',
    summary:
      'End the running turn and settle its permissions; with scope "all" background tasks and queue too',
    ...session,
    body: z
      .object({
        scope: z.enum(['turn', 'all']).default('turn').meta({
          description: '`turn`: the turn that runs. `all`: also background tasks and queued messages.',
        }),
      })
      .meta({ id: 'Interrupt' }),
    bodyRequired: false,
    responses: {
      200: {
        description: 'Nothing of it runs any more',
        schema: z.object({ status: z.literal('interrupted') }),
      },
      ...notFound,
      409: problem('The session is closed'),
      ...invalid,
    },
  }),
  listTasks: route({
    method: 'GET',
    path: '/sessions/{session_id}/tasks',
    tag: 'sessions',
    summary: 'What the agent does in the background',
    ...session,
    responses: {
      200: { description: 'Oldest first', schema: z.object({ tasks: z.array(BackgroundTask) }) },
      ...notFound,
      ...invalid,
    },
  }),
  stopTask: route({
    method: 'POST',
    path: '/sessions/{session_id}/tasks/{task_id}/stop',
    tag: 'sessions',
    summary: 'Stop one background task',
    params: z.object({ session_id: SessionId, task_id: z.string().min(1).max(256) }),
    responses: {
      200: { description: 'It does not run any more', schema: z.object({ status: z.literal('stopped') }) },
      404: problem('No such session or task'),
      409: problem('The agent refused'),
      ...invalid,
      504: problem('The agent does not answer'),
    },
  }),
  getServerInfo: route({
    method: 'GET',
    path: '/sessions/{session_id}/server_info',
    tag: 'sessions',
    summary: "The agent's own initialize answer: commands, models, output style",
    ...session,
    responses: {
      200: {
        description: "The agent's answer",
        schema: z.looseObject({
          commands: z.array(z.unknown()),
          output_style: z.string(),
          capabilities: z.unknown(),
        }),
      },
      ...live,
      ...invalid,
    },
  }),
  respondHook: route({
    method: 'POST',
    path: '/sessions/{session_id}/hooks/respond',
    tag: 'sessions',
    summary: "Decide a hook that waits: the agent's own hook output",
    ...session,
    body: RespondHook,
    responses: {
      200: { description: 'Taken', schema: z.object({ status: z.literal('ok') }) },
      404: problem('No such session, or no such call waits'),
      ...invalid,
    },
  }),
  respondTool: route({
    method: 'POST',
    path: '/sessions/{session_id}/tools/respond',
    tag: 'sessions',
    summary: 'Give the result of a custom tool that waits',
    ...session,
    body: RespondTool,
    responses: {
      200: { description: 'Taken', schema: z.object({ status: z.literal('ok') }) },
      404: problem('No such session, or no such call waits'),
      ...invalid,
    },
  }),
  listCommands: route({
    method: 'GET',
    path: '/sessions/{session_id}/commands',
    tag: 'sessions',
    summary: 'The slash commands and skills that the agent knows',
    ...session,
    responses: {
      200: { description: "The agent's list", schema: z.object({ commands: z.array(z.unknown()) }) },
      ...live,
      ...invalid,
    },
  }),
  listModels: route({
    method: 'GET',
    path: '/sessions/{session_id}/models',
    tag: 'sessions',
    summary: 'The models that the agent offers',
    ...session,
    responses: {
      200: { description: "The agent's list", schema: z.object({ models: z.array(z.unknown()) }) },
      ...live,
      ...invalid,
    },
  }),
  listAgents: route({
    method: 'GET',
    path: '/sessions/{session_id}/agents',
    tag: 'sessions',
    summary: 'The subagents that the agent knows',
    ...session,
    responses: {
      200: { description: "The agent's list", schema: z.object({ agents: z.array(z.unknown()) }) },
      ...live,
      ...invalid,
    },
  }),
  listMcp: route({
    method: 'GET',
    path: '/sessions/{session_id}/mcp',
    tag: 'sessions',
    summary: 'MCP servers and how they are connected',
    ...session,
    responses: { 200: { description: 'All of them', schema: McpServers }, ...live, ...invalid },
  }),
  reconnectMcp: route({
    method: 'POST',
    path: '/sessions/{session_id}/mcp/{name}/reconnect',
    tag: 'sessions',
    summary: 'Connect an MCP server anew',
    ...mcpServer,
    responses: { 200: { description: 'All of them', schema: McpServers }, ...live, ...invalid },
  }),
  toggleMcp: route({
    method: 'POST',
    path: '/sessions/{session_id}/mcp/{name}/toggle',
    tag: 'sessions',
    summary: 'Switch an MCP server on or off, until the agent starts anew',
    ...mcpServer,
    body: z.object({ enabled: z.boolean() }).meta({ id: 'ToggleMcp' }),
    responses: { 200: { description: 'All of them', schema: McpServers }, ...live, ...invalid },
  }),
  getContext: route({
    method: 'GET',
    path: '/sessions/{session_id}/context',
    tag: 'sessions',
    summary: 'What fills the context window',
    ...session,
    responses: {
      200: { description: "The agent's own breakdown", schema: JsonObject },
      ...live,
      ...invalid,
    },
  }),
  getSessionUsage: route({
    method: 'GET',
    path: '/sessions/{session_id}/usage',
    tag: 'sessions',
    summary: 'Tokens and cost of one session',
    ...session,
    responses: { 200: { description: 'Sums so far', schema: Usage }, ...notFound, ...invalid },
  }),
  getUsage: route({
    method: 'GET',
    path: '/usage',
    tag: 'server',
    summary: 'Tokens and cost of all sessions',
    responses: { 200: { description: 'Sums so far', schema: TotalUsage } },
  }),

  // messages and turns
  sendMessage: route({
    method: 'POST',
    path: '/sessions/{session_id}/messages',
    tag: 'messages',
    summary: 'Send a message: wait for the answer, stream it, or let it run',
    ...session,
    headers: z.object({
      accept: z.string().optional().meta({ description: '`text/event-stream` streams the turn' }),
      prefer: z.string().optional().meta({ description: '`respond-async` answers 202 at once' }),
      'idempotency-key': z.string().min(1).max(255).optional(),
    }),
    body: SendMessage,
    responses: {
      200: {
        description: 'How the turn ended',
        schema: TurnResult,
        media: ['application/json', 'text/event-stream'],
      },
      202: { description: 'Accepted; `Location` names the turn', schema: TurnAccepted },
      404: problem('No such session'),
      403: problem('Something of the session is not allowed (any more)'),
      409: problem('Session closed, busy, its folder gone, or idempotency key used with another body'),
      ...invalid,
      502: problem('The agent cannot start'),
    },
  }),
  listMessages: route({
    method: 'GET',
    path: '/sessions/{session_id}/messages',
    tag: 'messages',
    summary: 'The history of the present conversation, or of an earlier one',
    ...session,
    query: z.object({
      limit: pageLimit,
      offset: pageOffset,
      conversation_id: z.string().optional(),
    }),
    responses: {
      200: {
        description: 'Oldest first; `conversations` lists those of the session, the present one last',
        schema: z.object({
          messages: z.array(HistoryMessage),
          conversation_id: z.string(),
          conversations: z.array(z.string()),
        }),
      },
      404: problem('No such session or conversation'),
      ...invalid,
    },
  }),
  listTurns: route({
    method: 'GET',
    path: '/sessions/{session_id}/turns',
    tag: 'messages',
    summary: 'List turns, oldest first',
    ...session,
    query: z.object({
      limit: pageLimit,
      after: TurnId.optional().meta({ description: 'Turns after this one' }),
      state: TurnState.optional(),
    }),
    responses: {
      200: { description: 'Turns', schema: z.object({ turns: z.array(Turn) }) },
      404: problem('No such session, or no turn `after`'),
      ...invalid,
    },
  }),
  getTurn: route({
    method: 'GET',
    path: '/sessions/{session_id}/turns/{turn_id}',
    tag: 'messages',
    summary: 'One turn and its result',
    params: z.object({ session_id: SessionId, turn_id: TurnId }),
    responses: {
      200: { description: 'The turn', schema: Turn },
      404: problem('No such session or turn'),
      ...invalid,
    },
  }),

  cancelTurn: route({
    method: 'DELETE',
    path: '/sessions/{session_id}/turns/{turn_id}',
    tag: 'messages',
    summary: 'Take back a message that is still queued',
    params: z.object({ session_id: SessionId, turn_id: TurnId }),
    responses: {
      200: { description: 'Taken back; who waits for it gets the code `cancelled`', schema: Turn },
      404: problem('No such session or turn'),
      409: problem('The turn runs already, or is over'),
      ...invalid,
    },
  }),

  // events
  sessionEvents: route({
    method: 'GET',
    path: '/sessions/{session_id}/events',
    tag: 'events',
    summary: "A session's events: a stream, or pages with `Accept: application/json`",
    ...session,
    ...eventsRequest,
    responses: {
      200: {
        description: 'SSE: `id` is the seq, `data` the event; live-only frames have no id',
        schema: EventPage,
        media: ['text/event-stream', 'application/json'],
      },
      ...notFound,
      ...invalid,
    },
  }),
  allEvents: route({
    method: 'GET',
    path: '/events',
    tag: 'events',
    summary: "Every session's control events on one stream; starts now, or after a cursor",
    ...eventsRequest,
    responses: {
      200: {
        description: 'SSE: `id` is a cursor over all sessions, `data` the event',
        schema: EventPage,
        media: ['text/event-stream', 'application/json'],
      },
      ...invalid,
    },
  }),

  // permissions
  listPermissions: route({
    method: 'GET',
    path: '/permissions',
    tag: 'permissions',
    summary: 'The approval inbox: every pending request of every session, oldest first',
    responses: {
      200: {
        description: '`cursor` continues without a gap in `GET /events?after=`',
        schema: z.object({ permissions: z.array(PermissionRequest), cursor: z.int() }),
      },
    },
  }),
  respondPermission: route({
    method: 'POST',
    path: '/sessions/{session_id}/permissions/respond',
    tag: 'permissions',
    summary: 'Answer a permission request; the first answer wins',
    ...session,
    body: RespondPermission,
    responses: {
      200: { description: 'Taken', schema: z.object({ status: z.literal('ok') }) },
      404: problem('No such session or request'),
      409: problem('Already answered'),
      ...invalid,
    },
  }),

  // server
  health: route({
    method: 'GET',
    path: '/health',
    tag: 'server',
    summary: 'Is the server alive',
    open: true,
    responses: {
      200: {
        description: 'Yes',
        schema: z.object({ status: z.literal('healthy'), active_sessions: z.int(), timestamp: Timestamp }),
      },
    },
  }),
  ping: route({
    method: 'GET',
    path: '/ping',
    tag: 'server',
    summary: 'AgentCore health: busy while a turn or background work runs',
    open: true,
    responses: {
      200: {
        description: 'Alive',
        schema: z.object({ status: z.enum(['Healthy', 'HealthyBusy']), time_of_last_update: z.int() }),
      },
    },
  }),
  ready: route({
    method: 'GET',
    path: '/ready',
    tag: 'server',
    summary: 'Can the server take work',
    responses: {
      200: { description: 'Yes', schema: z.object({ status: z.literal('ready') }) },
      503: problem('Not now: `detail` says why'),
    },
  }),
  invoke: route({
    method: 'POST',
    path: '/invocations',
    tag: 'server',
    summary: 'One door to every other route',
    body: z
      .object({
        path: z.string().optional(),
        method: z.string().default('POST'),
        payload: z.unknown().optional(),
        path_params: z.record(z.string(), z.string()).optional(),
      })
      .meta({ id: 'Invocation' }),
    responses: {
      200: { description: "The target's own status and body" },
      400: problem('No path, or not all of its `path_params`'),
      404: problem('Unknown path'),
      405: problem('The path does not know this method; `Allow` names those that it knows'),
      ...invalid,
    },
  }),
  openapi: route({
    method: 'GET',
    path: '/openapi.json',
    tag: 'server',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1', schema: JsonObject } },
  }),
  docs: route({
    method: 'GET',
    path: '/docs',
    tag: 'server',
    summary: 'Swagger UI',
    responses: { 200: { description: 'A page', media: ['text/html'] } },
  }),
  redoc: route({
    method: 'GET',
    path: '/redoc',
    tag: 'server',
    summary: 'ReDoc',
    responses: { 200: { description: 'A page', media: ['text/html'] } },
  }),

  // gateway
  gatewayMessages: route({
    method: 'POST',
    path: '/v1/messages',
    tag: 'gateway',
    summary: "Anthropic's Messages API, JSON or SSE",
    body: z.looseObject({ model: z.string() }).meta({ id: 'MessagesRequest' }),
    responses: {
      200: {
        description: "Anthropic's answer",
        schema: JsonObject,
        media: ['application/json', 'text/event-stream'],
      },
      400: { description: "Anthropic's error envelope", schema: JsonObject },
      404: { description: 'No provider is configured for the model', schema: JsonObject },
    },
  }),
  gatewayCountTokens: route({
    method: 'POST',
    path: '/v1/messages/count_tokens',
    tag: 'gateway',
    summary: 'Count the tokens of a request',
    body: z.looseObject({ model: z.string() }).meta({ id: 'CountTokensRequest' }),
    responses: {
      200: { description: 'The count', schema: z.looseObject({ input_tokens: z.int() }) },
      400: { description: "Anthropic's error envelope", schema: JsonObject },
    },
  }),
  gatewayModels: route({
    method: 'GET',
    path: '/v1/models',
    tag: 'gateway',
    summary: 'List models',
    responses: { 200: { description: "Anthropic's page of models", schema: JsonObject } },
  }),
} as const;

/** What a caller gives for a route: only the parts that the route has. */
export type RouteInput<R extends RouteSpec> = (R extends { params: infer P extends z.ZodType }
  ? { params: z.input<P> }
  : unknown) &
  (R extends { query: infer Q extends z.ZodType } ? { query?: z.input<Q> } : unknown) &
  (R extends { headers: infer H extends z.ZodType } ? { headers?: z.input<H> } : unknown) &
  (R extends { body: infer B extends z.ZodType }
    ? R extends { bodyRequired: false }
      ? { body?: z.input<B> }
      : { body: z.input<B> }
    : unknown);

/** The JSON that a route answers with status `S` (200 unless told). */
export type RouteOutput<R extends RouteSpec, S extends number = 200> = R['responses'] extends {
  [K in S]: { schema: infer T extends z.ZodType };
}
  ? z.output<T>
  : undefined;
