import { z } from 'zod';
import { PERMISSION_KINDS, PERMISSION_REASONS, PERMISSION_STATES } from '../reasons.ts';
import { JsonObject, SessionId, Timestamp, TurnId } from './common.ts';

export const PermissionKind = z.enum(PERMISSION_KINDS);
export type PermissionKind = z.infer<typeof PermissionKind>;
export const PermissionState = z.enum(PERMISSION_STATES);
export type PermissionState = z.infer<typeof PermissionState>;
export const PermissionReason = z.enum(PERMISSION_REASONS);
export type PermissionReason = z.infer<typeof PermissionReason>;

/** Who answered: the id of an API key, or `local` for a program on the server's machine when no key is needed. */
export const ResolvedBy = z
  .union([
    z.object({ kind: z.literal('local') }),
    z.object({
      kind: z.literal('key'),
      id: z.string().meta({ description: "The key's id" }),
      name: z.string().optional().meta({ description: 'The name of the key, or of its user, at that time' }),
    }),
  ])
  .meta({ id: 'ResolvedBy' });
export type ResolvedBy = z.infer<typeof ResolvedBy>;

/** A question that waits, or waited, for an answer. */
export const PermissionRequest = z
  .object({
    request_id: z.string(),
    session_id: SessionId,
    turn_id: TurnId.nullable(),
    kind: PermissionKind,
    tool_name: z.string(),
    tool_input: JsonObject,
    tool_use_id: z.string().nullable(),
    agent_id: z.string().nullable().meta({ description: 'Set when a subagent asks' }),
    suggestions: z
      .array(z.unknown())
      .meta({ description: "The agent's suggestions; `apply_suggestions` returns them unchanged" }),
    title: z.string().nullable(),
    description: z.string().nullable(),
    decision_reason: z.string().nullable(),
    blocked_path: z.string().nullable(),
    durable: z.boolean().meta({
      description:
        'It survives the end of its agent process and of the server: whenever it is answered, the call runs once and the turn goes on',
    }),
    default_to_no: z.boolean().meta({ description: 'The agent asks that Enter does not mean yes' }),
    requested_at: Timestamp,
    expires_at: Timestamp.nullable(),
    state: PermissionState,
    reason: PermissionReason.nullable(),
    resolved_at: Timestamp.nullable(),
    resolved_by: ResolvedBy.nullable().meta({ description: 'null when nobody answered' }),
  })
  .meta({ id: 'PermissionRequest' });
export type PermissionRequest = z.infer<typeof PermissionRequest>;

/** A request with what is to be known of its session to decide it. */
export const InboxRequest = PermissionRequest.extend({
  session: z
    .object({ title: z.string().nullable(), cwd: z.string(), model: z.string().nullable() })
    .meta({ description: 'Title, folder and model of its session' }),
}).meta({ id: 'InboxRequest' });
export type InboxRequest = z.infer<typeof InboxRequest>;

export const RespondPermission = z
  .object({
    request_id: z.string().min(1),
    allowed: z.boolean(),
    apply_suggestions: z.boolean().default(false),
    message: z.string().optional().meta({ description: 'On a denial: the message to the model' }),
    updated_input: JsonObject.optional().meta({
      description:
        'For a tool: its new input, all fields. For a question: `{"answers": {"<question>": "<answer>"}}`. For a plan: the fields to change. For a form: its content.',
    }),
    interrupt: z.boolean().optional().meta({ description: 'On a denial: also end the turn' }),
  })
  .meta({ id: 'RespondPermission' });
export type RespondPermission = z.input<typeof RespondPermission>;
