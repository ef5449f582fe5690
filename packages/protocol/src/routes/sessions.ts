import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { INTERRUPT_SCOPES } from '../reasons.ts';
import { RespondHook, RespondTool } from '../schemas/call.ts';
import { ArgumentText, JsonObject, MetadataFilter, ModelName, SessionId } from '../schemas/common.ts';
import { PermissionMode } from '../schemas/options.ts';
import { page, pageOffset, pageQuery } from '../schemas/page.ts';
import {
  AvailableSession,
  CreateSession,
  ForkSession,
  PatchSession,
  RewindResult,
  RewindSession,
  Session,
  SessionCreated,
  SessionDetail,
  SessionStatus,
  StateCounts,
  StateFilter,
  Usage,
} from '../schemas/session.ts';
import { BackgroundTask } from '../schemas/task.ts';
import { Snapshot } from '../schemas/workspace.ts';
import { SessionImported } from '../transfer.ts';
import { route } from './route.ts';
import { ASKING, SHARED, STARTING, session } from './shared.ts';

const folder = ['cwd_not_allowed', 'cwd_not_found'] as const;

/** Sessions: create, list, change, close; their state and usage. */
export const sessionRoutes = {
  createSession: route({
    ...endpoints.createSession,
    access: { may: 'use', of: 'tenant' },
    tag: 'sessions',
    summary: 'Create a session, or resume one',
    body: CreateSession,
    bodyRequired: false,
    responses: { 200: { description: 'The session is ready', schema: SessionCreated } },
    problems: [
      ...ASKING,
      ...SHARED,
      'too_many_sessions',
      'session_limit',
      'cwd_differs',
      'options_need_restart',
      'nothing_to_fork',
      'cannot_fork',
      'git_url_not_allowed',
      'workspace_too_large',
      'snapshot_not_found',
      'session_moved',
      'owner_unreachable',
      'folder_elsewhere',
    ],
    raw: true,
  }),
  listSessions: route({
    ...endpoints.listSessions,
    access: { may: 'read', of: 'tenant' },
    tag: 'sessions',
    summary: 'List sessions, newest activity first',
    query: z.object({
      ...pageQuery,
      status: z
        .enum([...SessionStatus.options, 'all'])
        .default('connected')
        .meta({ description: 'Only sessions with this status' }),
      state: StateFilter.optional().meta({
        description: 'Only open sessions that do one of these now, such as `running,background`',
      }),
      cwd: ArgumentText.optional().meta({ description: 'Only sessions that work in this folder' }),
      q: z.string().min(1).max(500).optional().meta({
        description:
          'Only sessions with this text in their title or in a message that was sent to them (its first 65,536 characters)',
      }),
      metadata: MetadataFilter.optional().meta({
        description: 'Only sessions whose metadata has these members, as JSON: `{"project":"x"}`',
      }),
    }),
    responses: {
      200: { description: 'One page', schema: page('sessions', Session).meta({ id: 'SessionPage' }) },
    },
    problems: [...folder, 'cursor_invalid'],
  }),
  listAvailable: route({
    ...endpoints.listAvailable,
    access: { may: 'read', of: 'tenant' },
    tag: 'sessions',
    summary:
      "List everything that can be resumed, from the agent's transcripts on disk and in the shared database",
    query: z.object({
      ...pageQuery,
      offset: pageOffset,
      cwd: ArgumentText.optional().meta({ description: 'Only sessions that worked in this folder' }),
    }),
    responses: {
      200: {
        description: 'Newest first; `total` counts all pages',
        schema: page('sessions', AvailableSession).extend({ total: z.int() }).meta({ id: 'AvailablePage' }),
      },
    },
    problems: folder,
  }),
  countStates: route({
    ...endpoints.countStates,
    access: { may: 'read', of: 'tenant' },
    tag: 'sessions',
    summary: 'How many sessions run, wait for a person, work in the background or are idle',
    responses: { 200: { description: 'Now; those that are asleep are not counted', schema: StateCounts } },
  }),
  getSession: route({
    ...endpoints.getSession,
    access: { may: 'read', of: 'session' },
    reads: 'live',
    tag: 'sessions',
    summary: 'Everything about one session',
    ...session,
    responses: { 200: { description: 'The session', schema: SessionDetail } },
    problems: ['session_not_found'],
  }),
  getSessionStatus: route({
    ...endpoints.getSessionStatus,
    access: { may: 'read', of: 'session' },
    reads: 'live',
    tag: 'sessions',
    summary: 'What a session is doing and waiting for',
    ...session,
    responses: { 200: { description: 'The session', schema: SessionDetail } },
    problems: ['session_not_found'],
  }),
  patchSession: route({
    ...endpoints.patchSession,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Change title and metadata',
    ...session,
    body: PatchSession,
    responses: { 200: { description: 'The session', schema: SessionDetail } },
    problems: ['session_not_found'],
  }),
  closeSession: route({
    ...endpoints.closeSession,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Close a session: settle its pending requests and end its process; or erase it for good',
    ...session,
    query: z.object({
      erase: z
        .enum(['true', 'false'])
        .default('false')
        .transform((text) => text === 'true')
        .meta({
          description:
            "`true`: also remove it for good, with its events, conversations and the agent's files. Only sums remain in `GET /usage`.",
        }),
    }),
    responses: {
      200: {
        description: 'Closed (also if it was closed before), or erased',
        schema: z.object({ status: z.enum(['closed', 'erased']) }),
      },
    },
    problems: ['session_not_found', 'server_stopping'],
  }),
  exportSession: route({
    ...endpoints.exportSession,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Everything of a session for another server: record, turns, events, usage and transcripts',
    ...session,
    responses: {
      200: { description: 'JSON Lines: the session, then the rest', media: 'application/x-ndjson' },
    },
    problems: ['session_not_found', 'export_busy'],
    raw: true,
  }),
  importSession: route({
    ...endpoints.importSession,
    access: { may: 'use', of: 'tenant' },
    tag: 'sessions',
    summary: 'Take over an exported session: all of it, or nothing; the body is what `GET …/export` gave',
    query: z.object({
      cwd: ArgumentText.optional().meta({ description: 'Its folder here; by default, the same path' }),
    }),
    responses: {
      200: { description: 'Kept here, closed: resume it to go on', schema: SessionImported },
    },
    problems: [
      ...folder,
      'cwd_gone',
      'server_stopping',
      'permission_mode_forbidden',
      'bypass_needs_sandbox',
      'trust_forbidden',
      'unasked_not_allowed',
      'policy_forbids',
      'callback_not_allowed',
      'network_not_limitable',
      'body_missing',
      'malformed_json',
      'too_deep',
      'import_taken',
    ],
  }),
  snapshotSession: route({
    ...endpoints.snapshotSession,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Save the folder of a session as it is now, for new sessions (`workspace: {"snapshot": id}`)',
    ...session,
    responses: { 200: { description: 'Saved', schema: Snapshot } },
    problems: [
      'session_not_found',
      'snapshot_busy',
      'cwd_not_allowed',
      'no_tenant_uid',
      'cwd_gone',
      'workspace_unavailable',
      'workspace_too_large',
      'workspace_not_saved',
    ],
  }),
  deleteSnapshot: route({
    ...endpoints.deleteSnapshot,
    access: { may: 'use', of: 'tenant' },
    tag: 'sessions',
    summary: 'Remove a snapshot; sessions that were made from it stay',
    params: z.object({ snapshot_id: z.uuid().meta({ description: 'Snapshot id' }) }),
    responses: { 200: { description: 'Removed', schema: z.object({ status: z.literal('removed') }) } },
    problems: ['snapshot_not_found'],
  }),
  forkSession: route({
    ...endpoints.forkSession,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Branch the conversation into a new session',
    ...session,
    body: ForkSession,
    bodyRequired: false,
    responses: { 200: { description: 'The new session', schema: SessionCreated } },
    problems: [
      ...STARTING,
      ...SHARED,
      'too_many_sessions',
      'session_limit',
      'cwd_differs',
      'nothing_to_fork',
      'cannot_fork',
      'workspace_too_large',
    ],
  }),
  rewindSession: route({
    ...endpoints.rewindSession,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Undo file changes back to a message',
    ...session,
    body: RewindSession,
    responses: { 200: { description: 'The changes that were (or would be) undone', schema: RewindResult } },
    problems: [...ASKING, 'session_busy'],
  }),
  setModel: route({
    ...endpoints.setModel,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Change the model; null is the default model',
    ...session,
    body: z.object({ model: ModelName.nullable().default(null) }).meta({ id: 'SetModel' }),
    responses: {
      200: {
        description: 'Changed',
        schema: z.object({ status: z.literal('ok'), model: z.string().nullable() }),
      },
    },
    problems: ASKING,
  }),
  setPermissionMode: route({
    ...endpoints.setPermissionMode,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Change the permission mode',
    ...session,
    body: z.object({ mode: PermissionMode }).meta({ id: 'SetPermissionMode' }),
    responses: {
      200: { description: 'Changed', schema: z.object({ status: z.literal('ok'), mode: PermissionMode }) },
    },
    problems: ASKING,
  }),
  interrupt: route({
    ...endpoints.interrupt,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary:
      'End the running turn and settle its permissions; with scope "all", background tasks and the queue too',
    ...session,
    body: z
      .object({
        scope: z.enum(INTERRUPT_SCOPES).default('turn').meta({
          description: '`turn`: the turn that runs. `all`: also background tasks and queued messages.',
        }),
      })
      .meta({ id: 'Interrupt' }),
    bodyRequired: false,
    responses: {
      200: { description: 'It has stopped', schema: z.object({ status: z.literal('interrupted') }) },
    },
    problems: ['session_not_found', 'session_closed', 'agent_refused', 'agent_not_answering'],
  }),
  listTasks: route({
    ...endpoints.listTasks,
    access: { may: 'read', of: 'session' },
    reads: 'live',
    tag: 'sessions',
    summary: 'List background tasks of the agent',
    ...session,
    responses: { 200: { description: 'Oldest first', schema: page('tasks', BackgroundTask) } },
    problems: ['session_not_found'],
  }),
  stopTask: route({
    ...endpoints.stopTask,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Stop one background task',
    params: z.object({
      session_id: SessionId,
      task_id: z.string().min(1).max(256).meta({ description: 'Id of a background task' }),
    }),
    responses: {
      200: { description: 'It has stopped', schema: z.object({ status: z.literal('stopped') }) },
    },
    problems: ['session_not_found', 'task_not_found', 'agent_refused', 'agent_not_answering'],
  }),
  respondHook: route({
    ...endpoints.respondHook,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: "Decide a pending hook, with the agent's own hook output",
    ...session,
    body: RespondHook,
    responses: { 200: { description: 'Accepted', schema: z.object({ status: z.literal('ok') }) } },
    problems: ['session_not_found', 'call_not_found'],
  }),
  respondTool: route({
    ...endpoints.respondTool,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'Return the result of a pending custom tool call',
    ...session,
    body: RespondTool,
    responses: { 200: { description: 'Accepted', schema: z.object({ status: z.literal('ok') }) } },
    problems: ['session_not_found', 'call_not_found'],
  }),
  getContext: route({
    ...endpoints.getContext,
    access: { may: 'use', of: 'session' },
    tag: 'sessions',
    summary: 'What fills the context window',
    ...session,
    responses: { 200: { description: "The agent's own breakdown", schema: JsonObject } },
    problems: ASKING,
  }),
  getSessionUsage: route({
    ...endpoints.getSessionUsage,
    access: { may: 'read', of: 'session' },
    reads: 'store',
    tag: 'sessions',
    summary: 'Tokens and cost of one session',
    ...session,
    responses: { 200: { description: 'Totals so far', schema: Usage } },
    problems: ['session_not_found'],
  }),
};
