import { z } from 'zod';
import { CRASH_REASONS, INTERRUPT_REASONS, WORKSPACE_ACTIONS } from './reasons.ts';
import { CallReason, HookCall, ToolCall } from './schemas/call.ts';
import { SessionId, TurnId } from './schemas/common.ts';
import { TurnError, TurnInitiator, TurnResult, UserInput } from './schemas/message.ts';
import { PermissionMode } from './schemas/options.ts';
import { PermissionReason, PermissionRequest, PermissionState, ResolvedBy } from './schemas/permission.ts';
import { SessionState } from './schemas/session.ts';
import { BackgroundTask } from './schemas/task.ts';

const ResolvedCall = z.object({ request_id: z.string(), reason: CallReason });

/**
 * The event catalogue: the type of every durable event, with the schema of its data. The server can write only
 * these, the stream's frames and the OpenAPI document are made from it.
 */
export const EVENTS = {
  'session.created': z.object({
    cwd: z.string(),
    model: z.string().nullable(),
    permission_mode: PermissionMode,
    title: z.string().nullable(),
    forked_from: SessionId.nullable(),
  }),
  'session.state': z.object({
    state: SessionState,
    model: z.string().nullable(),
    permission_mode: PermissionMode,
    title: z.string().nullable(),
    cwd: z.string().optional().meta({ description: "The agent's current folder" }),
  }),
  'session.conversation': z
    .object({
      conversation_id: z.string(),
      previous_id: z.string(),
      trigger: z.string().meta({
        description:
          '`clear`, `plan_mode_exit` and others: the agent started over; `transcript_lost`: its transcript was missing',
      }),
      restored_messages: z.int().optional().meta({
        description: 'For a missing transcript: the number of messages restored to the agent from the log',
      }),
    })
    .meta({ description: 'The agent continues in another conversation; the session keeps its id' }),
  'session.workspace': z
    .object({
      action: z.enum(WORKSPACE_ACTIONS),
      problem: TurnError.nullable().meta({ description: 'For `not_saved`: why' }),
    })
    .meta({
      description:
        '`restored`: its folder was brought back from the saved state; `not_saved`: its last state is only in the folder',
    }),
  'session.tasks': z
    .object({ tasks: z.array(BackgroundTask) })
    .meta({ description: 'All running background tasks, whenever they change' }),
  'session.closed': z.object({}),
  'turn.queued': z.object({
    message: UserInput,
    steered: TurnId.optional().meta({
      description:
        'The message was given to this turn (`when_busy: "steer"`), which ended before the agent took it; now it is a message like any other',
    }),
  }),
  'turn.steering': z.object({ message_id: TurnId, message: UserInput }).meta({
    description: 'A message was accepted for the running turn; the agent takes it between two steps',
  }),
  'turn.steered': z
    .object({ message_id: TurnId, message: UserInput })
    .meta({ description: 'The agent has taken a message that came while the turn ran' }),
  'turn.continued': z.object({ reason: z.enum(CRASH_REASONS), cost_usd: z.number() }).meta({
    description:
      'The agent process of the turn died, and another goes on with it, once (session option `on_crash: "resume"`)',
  }),
  'turn.started': z
    .object({ initiator: TurnInitiator.optional(), message: UserInput.optional() })
    .meta({ description: 'A turn that the agent started has no `turn.queued`, and says why it started' }),
  'turn.waiting': z
    .object({
      position: z.int().meta({ description: '1: it is the next to get an agent process; 0: it has one' }),
    })
    .meta({
      description:
        'Every agent process is busy (`max_live_agents`), and the turn waits for one of them; told when its position changes',
    }),
  'turn.parked': z
    .object({
      request_id: z.string().meta({ description: 'The permission request that the turn waits for' }),
      cost_usd: z
        .number()
        .meta({ description: 'What the turn has cost since it began, or was last resumed' }),
    })
    .meta({
      description:
        'The agent process of the turn is gone, and the turn waits for its permission without one; an answer starts another',
    }),
  'turn.resumed': z.object({ request_id: z.string() }).meta({
    description: 'Another agent process has asked for the same call again, and goes on with the turn',
  }),
  'turn.completed': z.object({ result: TurnResult }),
  'turn.failed': z.object({ result: TurnResult, error: TurnError }),
  'turn.interrupted': z.object({ result: TurnResult, reason: z.enum(INTERRUPT_REASONS) }),
  'turn.settled': z.object({ result: TurnResult }).meta({
    description:
      'For a message with `wait_for: "background"`: its background work has ended too; the result includes it',
  }),
  'permission.requested': PermissionRequest,
  'permission.resolved': z.object({
    request_id: z.string(),
    state: PermissionState,
    reason: PermissionReason,
    message: z.string().nullable(),
    resolved_by: ResolvedBy.nullable().meta({ description: 'null when nobody answered' }),
  }),
  'hook.requested': HookCall,
  'hook.resolved': ResolvedCall,
  'tool.requested': ToolCall,
  'tool.resolved': ResolvedCall,
  'agent.message': z.looseObject({ type: z.string() }).meta({ description: "The SDK's message, unchanged" }),
} as const satisfies Record<string, z.ZodType>;

export type EventType = keyof typeof EVENTS;
/** What an event of a type holds. */
export type EventData<T extends EventType = EventType> = z.output<(typeof EVENTS)[T]>;

const PartialBlock = z.object({
  parent_tool_use_id: z.string().nullable(),
  message_id: z.string(),
  index: z.int(),
  type: z.string(),
  text: z.string().meta({ description: 'Text, thinking or tool input (JSON) of the block so far' }),
  name: z.string().optional().meta({ description: "The tool's name, for tool_use" }),
  id: z.string().optional().meta({ description: "The tool call's id, for tool_use" }),
});
/** The content so far of a block that is being written. */
export type PartialBlock = z.output<typeof PartialBlock>;

/** The catalogue of what is shown live only: never stored, and without an SSE id. */
export const LIVE_FRAMES = {
  /** A token delta, or progress, as the SDK gives it. */
  'agent.delta': z.looseObject({ type: z.string() }),
  /** The content so far of the blocks that are being written, for a reader who joins in the middle. */
  'agent.partial': z.object({ blocks: z.array(PartialBlock) }),
  /** The last frame of a session that is erased. */
  'session.erased': z.object({}),
} as const satisfies Record<string, z.ZodType>;

export type LiveType = keyof typeof LIVE_FRAMES;
/** What a live frame of a type holds. */
export type LiveData<T extends LiveType = LiveType> = z.output<(typeof LIVE_FRAMES)[T]>;
