import { z } from 'zod';
import { refuse } from './errors.ts';
import type { MessagesRequest } from './types.ts';

// Checked once, here. Loose on purpose: fields and block types that the gateway does not know are the client's
// future, and each translation decides what it can do with them.
const block = z.looseObject({ type: z.string() });
const content = z.union([z.string(), z.array(block)]);
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

/** The body as JSON with a model name, which is all that a pass-through needs to know. */
export function parseBody(bytes: Uint8Array): { model: string; stream: boolean; body: unknown } {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    refuse(400, 'The request body is not valid JSON.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    refuse(400, 'The request body has to be a JSON object.');
  }
  const fields = body as { model?: unknown; stream?: unknown };
  if (typeof fields.model !== 'string' || fields.model === '') refuse(400, 'model: Field required');
  return { model: fields.model, stream: fields.stream === true, body };
}

/** The body as a Messages request, checked as far as a translation needs. */
export function parseRequest(body: unknown): MessagesRequest {
  const result = shape.safeParse(body);
  if (!result.success) {
    const issue = result.error.issues[0];
    refuse(400, `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'invalid'}`);
  }
  // The blocks were checked to have a type; what is inside them is checked where it is read.
  return result.data as unknown as MessagesRequest;
}
