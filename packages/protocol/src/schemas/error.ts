import { z } from 'zod';
import { ERROR_TYPES } from '../anthropic-errors.ts';

/** RFC 9457 problem details: how every route but `/v1/*` reports a failure. */
export const Problem = z
  .object({
    type: z.string().meta({ description: 'about:blank, or a URI that names the kind of problem' }),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'One sentence: what went wrong and what to do next' }),
    code: z.string().meta({ description: 'Stable, machine-readable name of the problem' }),
    instance: z.string(),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'For validation failures: what is wrong, field by field' }),
    params: z
      .record(z.string(), z.number())
      .optional()
      .meta({ description: 'Numbers in `detail` that a program may need, such as `first_seq`' }),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/** How `/v1/*` reports a failure. */
export const AnthropicError = z
  .object({
    type: z.literal('error'),
    error: z.object({ type: z.enum(Object.values(ERROR_TYPES)), message: z.string() }),
    request_id: z.string(),
  })
  .meta({ id: 'AnthropicError' });
