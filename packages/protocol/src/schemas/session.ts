import { z } from 'zod';
import { OPEN_SESSION_STATES, SESSION_STATES, SESSION_STATUSES, TURN_OUTCOMES } from '../reasons.ts';
import type { OwnOption } from '../session-options.ts';
import { PendingCall } from './call.ts';
import { ArgumentText, ModelName, SessionId, Timestamp, TurnId } from './common.ts';
import { described, PermissionMode, SessionOptions } from './options.ts';
import { PermissionRequest } from './permission.ts';
import { Secrets, SessionSecrets } from './secrets.ts';
import { BackgroundTask } from './task.ts';
import { Workspace, WorkspaceSource } from './workspace.ts';

export const SessionStatus = z.enum(SESSION_STATUSES);
export type SessionStatus = z.infer<typeof SessionStatus>;
export const SessionState = z.enum(SESSION_STATES);
export type SessionState = z.infer<typeof SessionState>;

/** States as a query parameter, such as `running,background`. */
export const StateFilter = z
  .string()
  .max(100)
  .transform((text, context): OpenSessionState[] => {
    const states = z.array(z.enum(OPEN_SESSION_STATES)).safeParse(text.split(','));
    if (states.success) return states.data;
    const message = `must be one or more of ${OPEN_SESSION_STATES.join(', ')}, with commas between them`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
type OpenSessionState = (typeof OPEN_SESSION_STATES)[number];

/** How many sessions are at work. Those that are asleep are not counted: there may be any number of them. */
export const StateCounts = z
  .object({ running: z.int(), waiting: z.int(), background: z.int(), idle: z.int() })
  .meta({ id: 'StateCounts' });
export type StateCounts = z.infer<typeof StateCounts>;

const Metadata = z.record(z.string(), z.unknown());

/** What is given when a session is made, besides the options that are kept with it. */
const GIVEN = {
  resume_session_id: SessionId.optional(),
  fork: described('fork', z.boolean().default(false)),
  force: described('force', z.boolean().default(false)),
  start: described('start', z.enum(['now', 'lazy']).default('now')),
  model: ModelName.optional(),
  cwd: ArgumentText.optional(),
  workspace: described('workspace', WorkspaceSource.optional()),
  secrets: described('secrets', Secrets.optional()),
  title: z.string().min(1).max(500).optional(),
  metadata: Metadata.optional(),
  permission_mode: PermissionMode.optional(),
} satisfies Record<OwnOption, z.ZodType>;

export const CreateSession = SessionOptions.extend(GIVEN).meta({ id: 'CreateSession' });
export type CreateSession = z.input<typeof CreateSession>;

export const SessionCreated = z
  .object({
    session_id: SessionId,
    created_at: Timestamp,
    status: SessionStatus,
    resumed: z.boolean(),
    was_live: z.boolean().meta({
      description:
        'It was already open here, so another client may be using it: do not close it when you are done',
    }),
    cwd: z.string(),
    model: z.string().nullable(),
    permission_mode: PermissionMode,
    warnings: z.array(z.string()).default([]).meta({
      description: 'Problems with the chosen model, and how to fix them',
    }),
  })
  .meta({ id: 'SessionCreated' });
export type SessionCreated = z.infer<typeof SessionCreated>;

export const Session = z
  .object({
    session_id: SessionId,
    conversation_id: z.string().meta({
      description: "The agent's id of the current conversation; it changes with /clear",
    }),
    created_at: Timestamp,
    last_activity: Timestamp,
    status: SessionStatus,
    state: SessionState,
    message_count: z.int().meta({ description: 'Number of messages sent to this session' }),
    title: z.string().nullable(),
    metadata: Metadata,
    cwd: z.string(),
    current_model: z.string().nullable(),
    permission_mode: PermissionMode,
    forked_from: SessionId.nullable(),
    workspace: Workspace.nullable().meta({ description: 'null: it works in a folder that was there before' }),
    cost_usd: z.number().meta({ description: 'What it has cost so far, in dollars' }),
    last_outcome: z
      .enum(TURN_OUTCOMES)
      .nullable()
      .meta({ description: 'How its newest turn of those that have ended did; null before the first' }),
    tasks: z.array(BackgroundTask).meta({ description: 'Background tasks of the agent' }),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;

export const SessionDetail = Session.extend({
  pending_permission: PermissionRequest.nullable(),
  pending_permissions: z.array(PermissionRequest),
  pending_calls: z
    .array(PendingCall)
    .meta({ description: 'Hook and custom tool calls that wait for an answer' }),
  current_turn_id: TurnId.nullable(),
  queued_turns: z.int(),
  secrets: SessionSecrets,
  last_seq: z.int(),
}).meta({ id: 'SessionDetail' });
export type SessionDetail = z.infer<typeof SessionDetail>;

export const AvailableSession = z
  .object({
    session_id: z.string(),
    conversation_id: z.string().meta({ description: "The agent's id of the conversation" }),
    modified: Timestamp,
    preview: z.string().meta({ description: 'The title from a user, or the first prompt' }),
    title: z.string().nullable().meta({ description: 'From a user or from the agent' }),
    project: z.string().nullable().meta({ description: 'Folder of the session' }),
  })
  .meta({ id: 'AvailableSession' });
export type AvailableSession = z.infer<typeof AvailableSession>;

export const PatchSession = z
  .object({ title: z.string().min(1).max(500).nullable().optional(), metadata: Metadata.optional() })
  .meta({ id: 'PatchSession' });
export type PatchSession = z.input<typeof PatchSession>;

export const ForkSession = z
  .object({
    up_to_message_id: z.uuid().optional().meta({ description: 'Keep the history up to this message' }),
    title: z.string().min(1).max(500).optional(),
    metadata: Metadata.optional(),
  })
  .meta({ id: 'ForkSession' });
export type ForkSession = z.input<typeof ForkSession>;

export const RewindSession = z
  .object({
    message_id: z.uuid().meta({
      description:
        'Id of a user message (a turn id, or an id from the history): files are restored to their state before it',
    }),
    dry_run: z.boolean().default(false),
  })
  .meta({ id: 'RewindSession' });
export type RewindSession = z.input<typeof RewindSession>;

export const RewindResult = z
  .object({
    can_rewind: z.boolean(),
    error: z.string().nullable(),
    files_changed: z.array(z.string()),
    insertions: z.int(),
    deletions: z.int(),
  })
  .meta({ id: 'RewindResult' });
export type RewindResult = z.infer<typeof RewindResult>;

export const ModelUsage = z
  .object({
    input_tokens: z.int(),
    output_tokens: z.int(),
    cache_read_input_tokens: z.int(),
    cache_creation_input_tokens: z.int(),
    cost_usd: z.number(),
  })
  .meta({ id: 'ModelUsage' });
export type ModelUsage = z.infer<typeof ModelUsage>;

/** Tokens and cost so far, of one session or of all. The demo model costs 0. */
export const Usage = ModelUsage.extend({
  turns: z.int(),
  by_model: z.record(z.string(), ModelUsage),
}).meta({ id: 'Usage' });
export type Usage = z.infer<typeof Usage>;

/** Tokens and cost of all sessions, and the cost of each API key's model calls through the gateway. */
export const TotalUsage = Usage.extend({ cost_usd_by_key: z.record(z.string(), z.number()) }).meta({
  id: 'TotalUsage',
});
export type TotalUsage = z.infer<typeof TotalUsage>;

/** An MCP server of a session as the agent reports it, without secrets. */
export const McpServerState = z
  .looseObject({
    name: z.string(),
    status: z.string().meta({ description: '`connected`, `failed`, `needs-auth`, `pending` or `disabled`' }),
    error: z.string().optional(),
    tools: z.array(z.looseObject({ name: z.string() })).optional(),
  })
  .meta({ id: 'McpServerState' });
export type McpServerState = z.infer<typeof McpServerState>;
