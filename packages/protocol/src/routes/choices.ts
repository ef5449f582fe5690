import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { Folder, OfferedModel } from '../schemas/choices.ts';
import { ArgumentText } from '../schemas/common.ts';
import { page, pageQuery } from '../schemas/page.ts';
import { route } from './route.ts';

/** What a new session can be given: for programs in which a person chooses. */
export const choiceRoutes = {
  listFolders: route({
    ...endpoints.listFolders,
    access: { may: 'use', of: 'tenant' },
    tag: 'sessions',
    summary: 'List the folders in a folder that sessions may work in; without a path, the roots',
    query: z.object({
      ...pageQuery,
      path: ArgumentText.optional().meta({ description: 'The folder to look into' }),
      hidden: z
        .enum(['true', 'false'])
        .default('false')
        .transform((text) => text === 'true')
        .meta({ description: '`true`: also folders whose names begin with a dot' }),
    }),
    responses: {
      200: {
        description:
          'One page, by name. Links are followed, and left out where they lead to a folder that is not allowed',
        schema: page('folders', Folder)
          .extend({
            path: z
              .string()
              .nullable()
              .meta({ description: 'The real path of the folder; null for the roots' }),
            parent: z
              .string()
              .nullable()
              .meta({ description: 'The folder that it is in; null for a root, and for the roots' }),
          })
          .meta({ id: 'FolderPage' }),
      },
    },
    problems: ['cwd_not_allowed', 'cwd_not_found', 'cwd_unreadable', 'cursor_invalid'],
  }),
  listOfferedModels: route({
    ...endpoints.listOfferedModels,
    access: { may: 'read', of: 'tenant' },
    tag: 'sessions',
    summary: 'List the models that new sessions may name, with their prices',
    query: z.object(pageQuery),
    responses: {
      200: {
        description:
          'One page. Others may work too: the gateway takes names that match a pattern, and the agent names of its own',
        schema: page('models', OfferedModel)
          .extend({
            default_model: z
              .string()
              .nullable()
              .meta({ description: 'The model of sessions that name none; null leaves it to the agent' }),
          })
          .meta({ id: 'OfferedModelPage' }),
      },
    },
    problems: ['cursor_invalid'],
  }),
};
