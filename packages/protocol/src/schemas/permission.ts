import { z } from 'zod';
import { PERMISSION_KINDS, PERMISSION_REASONS, PERMISSION_STATES } from '../reasons.ts';
import { JsonObject, SessionId, Timestamp, TurnId } from './common.ts';

export const PermissionKind = z.enum(PERMISSION_KINDS);
export type PermissionKind = z.infer<typeof PermissionKind>;
export const PermissionState = z.enum(PERMISSION_STATES);
export type PermissionState = z.infer<typeof PermissionState>;
export const PermissionReason = z.enum(PERMISSION_REASONS);
export type PermissionReason = z.infer<typeof PermissionReason>;

/** Who answered: somebody with an API key, by its id, or a program of the server's machine where none is needed. */
export const ResolvedBy = z
  .union([
    z.object({ kind: z.literal('local') }),
    z.object({ kind: z.literal('key'), id: z.string().meta({ description: "The key's id" }) }),
  ])
  .meta({ id: 'ResolvedBy' });
export type ResolvedBy = z.infer<typeof ResolvedBy>;

/** One question that waits (or waited) for an answer. */
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
      .meta({ description: "The agent's own suggestions; `apply_suggestions` gives them back verbatim" }),
    title: z.string().nullable(),
    description: z.string().nullable(),
    decision_reason: z.string().nullable(),
    blocked_path: z.string().nullable(),
    default_to_no: z.boolean().meta({ description: 'The agent asks that Enter must not mean yes' }),
    requested_at: Timestamp,
    expires_at: Timestamp.nullable(),
    state: PermissionState,
    reason: PermissionReason.nullable(),
    resolved_at: Timestamp.nullable(),
    resolved_by: ResolvedBy.nullable().meta({ description: 'null when nobody answered' }),
  })
  .meta({ id: 'PermissionRequest' });
export type PermissionRequest = z.infer<typeof PermissionRequest>;

export const RespondPermission = z
  .object({
    request_id: z.string().min(1),
    allowed: z.boolean(),
    apply_suggestions: z.boolean().default(false),
    message: z.string().optional().meta({ description: 'Told to the model on a denial' }),
    updated_input: JsonObject.optional().meta({
      description:
        'A tool: replaces its whole input. A question: `{"answers": {"<question>": "<answer>"}}`. A plan: the fields to change. A form: its content.',
    }),
    interrupt: z.boolean().optional().meta({ description: 'On a denial: end the turn as well' }),
  })
  .meta({ id: 'RespondPermission' });
export type RespondPermission = z.input<typeof RespondPermission>;
