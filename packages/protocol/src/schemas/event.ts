import { z } from 'zod';
import { CallReason, HookCall, ToolCall } from './call.ts';
import { SessionId, Timestamp, TurnId } from './common.ts';
import { TurnError, TurnInitiator, TurnResult, UserInput } from './message.ts';
import { PermissionMode } from './options.ts';
import { PermissionReason, PermissionRequest, PermissionState, ResolvedBy } from './permission.ts';
import { SessionState } from './session.ts';
import { BackgroundTask } from './task.ts';

const event = <T extends string, D extends z.ZodType>(type: T, data: D) =>
  z.object({
    seq: z.int().min(1).meta({ description: 'Number in the session: starts at 1, no holes' }),
    at: Timestamp,
    session_id: SessionId,
    turn_id: TurnId.nullable(),
    type: z.literal(type),
    data,
  });

const InterruptReason = z.enum([
  'interrupted',
  'denied',
  'cancelled',
  'session_closed',
  'server_shutdown',
  'server_restarted',
]);

/** A durable event of a session's log. */
export const SessionEvent = z
  .discriminatedUnion('type', [
    event(
      'session.created',
      z.object({
        cwd: z.string(),
        model: z.string().nullable(),
        permission_mode: PermissionMode,
        title: z.string().nullable(),
        forked_from: SessionId.nullable(),
      }),
    ),
    event(
      'session.state',
      z.object({
        state: SessionState,
        model: z.string().nullable(),
        permission_mode: PermissionMode,
        title: z.string().nullable(),
        cwd: z.string().optional().meta({ description: 'The folder that the agent works in now' }),
      }),
    ),
    event(
      'session.conversation',
      z
        .object({
          conversation_id: z.string(),
          previous_id: z.string(),
          trigger: z.string().meta({
            description:
              '`clear`, `plan_mode_exit` and alike: the agent began afresh; `transcript_lost`: its transcript was gone',
          }),
          restored_messages: z.int().optional().meta({
            description:
              'Of a transcript that was gone: so many messages were told the agent again, from the log',
          }),
        })
        .meta({ description: 'The agent goes on in another conversation; the session and its id stay' }),
    ),
    event(
      'session.tasks',
      z
        .object({ tasks: z.array(BackgroundTask) })
        .meta({ description: 'All background tasks that run now, whenever that changes' }),
    ),
    event('session.closed', z.object({})),
    event('turn.queued', z.object({ message: UserInput })),
    event(
      'turn.started',
      z
        .object({ initiator: TurnInitiator.optional(), message: UserInput.optional() })
        .meta({ description: "An agent's own turn says what made it begin, and has no `turn.queued`" }),
    ),
    event('turn.completed', z.object({ result: TurnResult })),
    event('turn.failed', z.object({ result: TurnResult, error: TurnError })),
    event('turn.interrupted', z.object({ result: TurnResult, reason: InterruptReason })),
    event(
      'turn.settled',
      z.object({ result: TurnResult }).meta({
        description:
          'Of a message with `wait_for: "background"`: its background work is over too; the result holds all',
      }),
    ),
    event('permission.requested', PermissionRequest),
    event(
      'permission.resolved',
      z.object({
        request_id: z.string(),
        state: PermissionState,
        reason: PermissionReason,
        message: z.string().nullable(),
        resolved_by: ResolvedBy.nullable().meta({ description: 'null when nobody answered' }),
      }),
    ),
    event('hook.requested', HookCall),
    event('hook.resolved', z.object({ request_id: z.string(), reason: CallReason })),
    event('tool.requested', ToolCall),
    event('tool.resolved', z.object({ request_id: z.string(), reason: CallReason })),
    event(
      'agent.message',
      z.looseObject({ type: z.string() }).meta({ description: "The SDK's message, verbatim" }),
    ),
  ])
  .meta({ id: 'SessionEvent' });
export type SessionEvent = z.infer<typeof SessionEvent>;

/** All events but `agent.message`: what inboxes and consoles need of every session. */
export type ControlEvent = Exclude<SessionEvent, { type: 'agent.message' }>;

/** Live only, never stored and without an SSE id: a token delta as the SDK gives it. */
export const DeltaFrame = z
  .object({
    type: z.literal('agent.delta'),
    session_id: SessionId,
    turn_id: TurnId.nullable(),
    data: z.looseObject({ type: z.string() }),
  })
  .meta({ id: 'DeltaFrame' });
export type DeltaFrame = z.infer<typeof DeltaFrame>;

const PartialBlock = z.object({
  parent_tool_use_id: z.string().nullable(),
  message_id: z.string(),
  index: z.int(),
  type: z.string(),
  text: z.string().meta({ description: "The block's text, thinking or tool input (JSON) so far" }),
  name: z.string().optional().meta({ description: 'Of the tool, when type is tool_use' }),
  id: z.string().optional().meta({ description: 'Of the tool call, when type is tool_use' }),
});

/** Live only: what the blocks that are being written hold so far, for a reader who joins in the middle. */
export const PartialFrame = z
  .object({
    type: z.literal('agent.partial'),
    session_id: SessionId,
    turn_id: TurnId.nullable(),
    data: z.object({ blocks: z.array(PartialBlock) }),
  })
  .meta({ id: 'PartialFrame' });
export type PartialFrame = z.infer<typeof PartialFrame>;

/** All that a session's SSE stream can carry. */
export type StreamFrame = SessionEvent | DeltaFrame | PartialFrame;
