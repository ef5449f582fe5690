import { z } from 'zod';
import { refuse } from './errors.ts';
import type { MessagesRequest } from './types.ts';

// Requests are validated once, here, and loosely on purpose: newer clients send fields and block types that the gateway
// does not know, and each translation decides about them.
const anyBlock = z.looseObject({ type: z.string() });
const source = z.looseObject({ type: z.string() });

/** The required fields of the blocks that a translation reads. */
const blockSchemas: Readonly<Record<string, z.ZodType>> = {
  text: z.looseObject({ text: z.string() }),
  image: z.looseObject({ source }),
  document: z.looseObject({ source }),
  tool_use: z.looseObject({ id: z.string(), name: z.string() }),
  tool_result: z.looseObject({ tool_use_id: z.string() }),
  thinking: z.looseObject({ thinking: z.string() }),
  redacted_thinking: z.looseObject({ data: z.string() }),
};

const block = anyBlock.superRefine((value, context) => {
  const schema = Object.hasOwn(blockSchemas, value.type) ? blockSchemas[value.type] : undefined;
  const result = schema?.safeParse(value);
  for (const { path, message } of result?.error?.issues ?? [])
    context.addIssue({ code: 'custom', path, message });
  // A tool result contains blocks itself.
  if (value.type !== 'tool_result' || value.content === undefined) return;
  const inner = content.safeParse(value.content);
  for (const { path, message } of inner.error?.issues ?? []) {
    context.addIssue({ code: 'custom', path: ['content', ...path], message });
  }
});
const content: z.ZodType = z.union([z.string(), z.array(block)]);
const shape = z.looseObject({
  model: z.string().min(1),
  messages: z.array(z.looseObject({ role: z.enum(['user', 'assistant', 'system']), content })).min(1),
  max_tokens: z.number().int().min(0).optional(),
  system: content.optional(),
  tools: z.array(z.looseObject({ name: z.string() })).optional(),
  tool_choice: z.looseObject({ type: z.string() }).optional(),
  stream: z.boolean().optional(),
  temperature: z.number().optional(),
  top_p: z.number().optional(),
  top_k: z.number().optional(),
  stop_sequences: z.array(z.string()).optional(),
  thinking: z.looseObject({ type: z.string() }).optional(),
  output_config: z.looseObject({}).optional(),
  metadata: z.looseObject({}).optional(),
});

/** Validates a body as a Messages request, as far as a translation needs. */
export function parseRequest(body: unknown): MessagesRequest {
  const result = shape.safeParse(body);
  if (!result.success) {
    const issue = result.error.issues[0];
    // Where text or blocks are allowed, the issue in the blocks says more.
    const inner =
      issue?.code === 'invalid_union' ? issue.errors.flat().find(({ path }) => path.length > 0) : undefined;
    const path = [...(issue?.path ?? []), ...(inner?.path ?? [])].join('.');
    refuse(400, `${path || 'body'}: ${inner?.message ?? issue?.message ?? 'invalid'}`);
  }
  // The original object, not zod's copy: its tools are cached by identity (request-body.ts).
  return body as MessagesRequest;
}
