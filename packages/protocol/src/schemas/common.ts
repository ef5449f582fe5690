import { z } from 'zod';

/** A session's id. It is also the id of the agent's first transcript; `conversation_id` names the current one. */
export const SessionId = z.uuid().meta({ description: 'Session id; it never changes' });

/** A turn's id (UUID). The agent sees it as the uuid of the user message. */
export const TurnId = z.uuid().meta({ description: 'Turn id' });

/**
 * Schemas that ignore unknown fields instead of refusing them: formats defined elsewhere, whose clients send more
 * fields than this server uses.
 */
export const lenient = z.registry<{ format: string }>();

/** A point in time: ISO 8601 in UTC, with a `Z` at the end. */
export const Timestamp = z.iso.datetime();

/** Any JSON object. */
export const JsonObject = z.record(z.string(), z.unknown());

/** A whole number as a query parameter: on the wire it is text, but a caller may give the number. */
export const queryInteger = (min: number, max: number): z.ZodType<number, number | string> =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max)) as z.ZodType<number, number | string>;

/** Fields that the metadata must have, as JSON in a query parameter. Scalar values only. */
export const MetadataFilter = z
  .string()
  .max(4096)
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a JSON object, such as {"project":"x"}' });
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])));
export type MetadataFilter = z.output<typeof MetadataFilter>;

const noNul = (text: string): boolean => !text.includes('\0');

/**
 * Text that becomes an argument, an environment variable or a path of the agent process. The system ends these at a
 * NUL character and limits their length.
 */
export const ArgumentText = z.string().min(1).max(4096).refine(noNul, 'must not contain a NUL character');

/** A model's name. The providers decide which names exist. */
export const ModelName = z.string().min(1).max(256).refine(noNul, 'must not contain a NUL character');
