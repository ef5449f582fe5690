import { z } from 'zod';

/** A session's id. The agent's first transcript on disk has the same; `conversation_id` names the present one. */
export const SessionId = z.uuid().meta({ description: 'Session id; it never changes' });

/** A turn's id (UUID). The agent sees it as the uuid of the user message. */
export const TurnId = z.uuid().meta({ description: 'Turn id' });

/**
 * Forms in which a field that is not known is passed over instead of refused: those of somebody else's format,
 * whose clients send more of it than is used here.
 */
export const lenient = z.registry<{ format: string }>();

/** A moment: ISO 8601, UTC, ending in `Z`. */
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

/** Members that metadata must have, as the JSON text of a query parameter. Plain values only. */
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
 * Text that becomes an argument, an environment variable or a path of the agent process: those end at a NUL
 * character and have a largest length.
 */
export const ArgumentText = z.string().min(1).max(4096).refine(noNul, 'must not contain a NUL character');

/** A model's name. Which names there are is for providers to say. */
export const ModelName = z.string().min(1).max(256).refine(noNul, 'must not contain a NUL character');
