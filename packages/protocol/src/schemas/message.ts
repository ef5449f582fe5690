import { z } from 'zod';
import { HISTORY_MESSAGE_TYPES, TURN_INITIATORS, TURN_STATES, WAIT_FOR, WHEN_BUSY } from '../reasons.ts';
import { JsonObject, lenient, SessionId, Timestamp, TurnId } from './common.ts';

/** Part of Anthropic's format: its clients add `cache_control`, `citations` and more. */
const part = <const S extends z.core.$ZodLooseShape>(shape: S) =>
  z.object(shape).register(lenient, { format: "Anthropic's Messages API" });

const Base64Source = part({
  type: z.literal('base64'),
  media_type: z.string().min(1),
  data: z.string().min(1),
});
const UrlSource = part({ type: z.literal('url'), url: z.url() });
const TextSource = part({
  type: z.literal('text'),
  media_type: z.literal('text/plain'),
  data: z.string(),
});

/** A block of a user message, in the format of Anthropic's Messages API. */
export const ContentBlock = z
  .discriminatedUnion('type', [
    part({ type: z.literal('text'), text: z.string() }),
    part({ type: z.literal('image'), source: z.discriminatedUnion('type', [Base64Source, UrlSource]) }),
    part({
      type: z.literal('document'),
      source: z.discriminatedUnion('type', [Base64Source, UrlSource, TextSource]),
      title: z.string().nullish(),
      context: z.string().nullish(),
    }),
  ])
  .meta({ id: 'ContentBlock' });
export type ContentBlock = z.infer<typeof ContentBlock>;

const hasContent = (blocks: ContentBlock[]): boolean =>
  blocks.some((block) => block.type !== 'text' || block.text.trim() !== '');

/** A user's message: text or content blocks, not empty. */
export const UserInput = z.union([
  z.string().refine((text) => text.trim() !== '', 'must not be empty'),
  z.array(ContentBlock).min(1).refine(hasContent, 'must not be empty'),
]);
export type UserInput = z.infer<typeof UserInput>;

export const WhenBusy = z.enum(WHEN_BUSY);
export type WhenBusy = z.infer<typeof WhenBusy>;
export const WaitFor = z.enum(WAIT_FOR);
export type WaitFor = z.infer<typeof WaitFor>;

export const SendMessage = z
  .object({
    message: UserInput,
    when_busy: WhenBusy.default('queue'),
    wait_for: WaitFor.default('turn').meta({
      description: '`background`: the answer (or stream) ends when the background work has ended too',
    }),
    force: z.boolean().default(false).meta({
      description:
        'Continue although another process has continued the conversation (409 `conversation_diverged`)',
    }),
  })
  .meta({ id: 'SendMessage' });
export type SendMessage = z.input<typeof SendMessage>;

/** Text and tool calls of the agent in a turn, in order. Those of subagents are only in the event log. */
export const AnswerItem = z
  .discriminatedUnion('type', [
    z.object({ type: z.literal('text'), content: z.string() }),
    z.object({
      type: z.literal('tool_use'),
      tool_name: z.string(),
      tool_input: JsonObject,
      tool_use_id: z.string(),
    }),
  ])
  .meta({ id: 'AnswerItem' });
export type AnswerItem = z.infer<typeof AnswerItem>;

export const TurnError = z.object({ code: z.string(), message: z.string() }).meta({ id: 'TurnError' });
export type TurnError = z.infer<typeof TurnError>;

/** How a turn ended. */
export const TurnResult = z
  .object({
    session_id: SessionId,
    turn_id: TurnId,
    messages: z.array(AnswerItem),
    is_error: z.boolean(),
    error: TurnError.nullable(),
    stop_reason: z.string().nullable(),
    cost_usd: z.number(),
    num_turns: z.int(),
    usage: JsonObject.nullable(),
    duration_ms: z.number(),
    structured_output: z.unknown().optional(),
  })
  .meta({ id: 'TurnResult' });
export type TurnResult = z.infer<typeof TurnResult>;

export const TurnState = z.enum(TURN_STATES);
export type TurnState = z.infer<typeof TurnState>;
export const TurnInitiator = z.enum(TURN_INITIATORS);
export type TurnInitiator = z.infer<typeof TurnInitiator>;

export const Turn = z
  .object({
    turn_id: TurnId,
    session_id: SessionId,
    state: TurnState,
    initiator: TurnInitiator,
    message: UserInput.meta({ description: 'Of a turn that the agent started: the reason, in a sentence' }),
    steers: TurnId.nullable().meta({
      description:
        'A message sent with `when_busy: "steer"`: the turn that it was given to. State `queued`: the agent has not taken it yet; `steered`: it has',
    }),
    wait_for: WaitFor,
    created_at: Timestamp,
    started_at: Timestamp.nullable(),
    ended_at: Timestamp.nullable(),
    settled_at: Timestamp.nullable().meta({
      description: 'With wait_for "background": when its background work ended',
    }),
    result: TurnResult.nullable(),
  })
  .meta({ id: 'Turn' });
export type Turn = z.infer<typeof Turn>;

/** The answer to `Prefer: respond-async`. */
export const TurnAccepted = z
  .object({
    session_id: SessionId,
    turn_id: TurnId,
    state: TurnState,
    message_id: TurnId.optional().meta({
      description:
        'The message went into a running turn (`turn_id`); its own id, for `DELETE …/turns/{turn_id}` and `GET`',
    }),
  })
  .meta({ id: 'TurnAccepted' });
export type TurnAccepted = z.infer<typeof TurnAccepted>;

/** One message of the conversation's history: prompts, answers and tool results of the main agent. */
export const HistoryMessage = z
  .object({
    uuid: z.string(),
    type: z.enum(HISTORY_MESSAGE_TYPES),
    message: z.unknown(),
    parent_tool_use_id: z.string().nullable(),
    turn_id: TurnId.nullable().optional().meta({
      description: 'Its turn; null for messages from before this session',
    }),
    is_summary: z.boolean().optional().meta({
      description:
        'A summary from a compaction: the agent continues with it in place of all earlier messages',
    }),
  })
  .meta({ id: 'HistoryMessage' });
export type HistoryMessage = z.infer<typeof HistoryMessage>;
