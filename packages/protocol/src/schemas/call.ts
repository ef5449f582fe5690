import { z } from 'zod';
import { CALL_REASONS, HOOK_EVENTS, HOOK_FAILURES } from '../reasons.ts';
import { JsonObject, SessionId, Timestamp, TurnId } from './common.ts';

export const HookEvent = z.enum(HOOK_EVENTS);
export type HookEvent = z.infer<typeof HookEvent>;

const url = z
  .url({ protocol: /^https?$/ })
  .optional()
  .meta({
    description:
      'The server POSTs the question here and expects JSON. Needs `allow_callback_urls`. Without a URL the question is an event, and a respond call answers it',
  });
const timeout = z
  .number()
  .positive()
  .max(3600)
  .default(60)
  .meta({ description: 'Seconds to wait for the answer' });

/** A hook whose decisions come over HTTP. */
export const Hook = z.object({
  matcher: z.string().optional().meta({ description: 'Tools (or sources) that it applies to; default: all' }),
  url,
  timeout,
  on_failure: z.enum(HOOK_FAILURES).default('block').meta({
    description: 'What happens to the tool call, prompt or permission request without a valid answer',
  }),
});
export const Hooks = z.partialRecord(HookEvent, z.array(Hook));

/** A custom tool: the caller answers its calls over HTTP. */
export const CustomTool = z.object({
  name: z.string().regex(/^[\w-]{1,64}$/),
  description: z.string().min(1),
  input_schema: JsonObject.meta({ description: 'JSON Schema of an object' }),
  server: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .default('custom')
    .meta({ description: 'The agent calls the tool `mcp__<server>__<name>`' }),
  url,
  timeout,
});

const call = {
  request_id: z.string(),
  session_id: SessionId,
  turn_id: TurnId.nullable(),
  tool_use_id: z.string().nullable(),
  requested_at: Timestamp,
  expires_at: Timestamp,
};

/** A hook call that waits for a decision. */
export const HookCall = z
  .object({
    kind: z.literal('hook'),
    event: HookEvent,
    index: z.int().meta({ description: 'Index of the hook among those of this event' }),
    input: JsonObject.meta({ description: "The agent's own hook input" }),
    ...call,
  })
  .meta({ id: 'HookCall' });
export type HookCall = z.infer<typeof HookCall>;

/** A call of a custom tool that waits for its result. */
export const ToolCall = z
  .object({ kind: z.literal('tool'), server: z.string(), name: z.string(), input: JsonObject, ...call })
  .meta({ id: 'ToolCall' });
export type ToolCall = z.infer<typeof ToolCall>;

export const PendingCall = z.discriminatedUnion('kind', [HookCall, ToolCall]);
export type PendingCall = z.infer<typeof PendingCall>;

export const CallReason = z.enum(CALL_REASONS);
export type CallReason = z.infer<typeof CallReason>;

/** A hook's decision: the agent's own hook output, such as `{decision: "block", reason}`. */
export const HookAnswer = JsonObject;

/** A tool's result: text, or MCP content. */
export const ToolAnswer = z.object({
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]),
  is_error: z.boolean().default(false),
  structured_content: JsonObject.optional(),
});
export type ToolAnswer = z.output<typeof ToolAnswer>;

export const RespondHook = z
  .object({ request_id: z.string().min(1), output: HookAnswer })
  .meta({ id: 'RespondHook' });
export const RespondTool = ToolAnswer.extend({ request_id: z.string().min(1) }).meta({ id: 'RespondTool' });
