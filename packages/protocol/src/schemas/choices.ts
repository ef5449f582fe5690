import { z } from 'zod';

/** A folder that new sessions may work in, or one on the way to such a folder. */
export const Folder = z
  .object({
    name: z.string().meta({ description: 'Its name in the folder that was asked for; of a root, its path' }),
    path: z
      .string()
      .meta({ description: 'Its real path: `cwd` of a new session, or `path` to look into it' }),
  })
  .meta({ id: 'Folder' });
export type Folder = z.infer<typeof Folder>;

/** A model that new sessions may name. */
export const OfferedModel = z
  .object({
    id: z.string().meta({ description: '`model` of a new session' }),
    kind: z.enum(['alias', 'model']).meta({
      description: '`alias`: a name that the agent resolves itself, to its current model of that name',
    }),
    needs_proxy: z.boolean().meta({
      description: 'It is reached through the gateway only: give `enable_proxy: true` with it',
    }),
    context_window: z.int().nullable().meta({ description: 'Tokens; null when it is not known' }),
    price: z
      .object({ input: z.number(), output: z.number() })
      .nullable()
      .meta({ description: 'Dollars for a million tokens; null when it is not known' }),
  })
  .meta({ id: 'OfferedModel' });
export type OfferedModel = z.infer<typeof OfferedModel>;
