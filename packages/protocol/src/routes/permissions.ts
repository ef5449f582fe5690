import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { queryInteger } from '../schemas/common.ts';
import { page, pageQuery } from '../schemas/page.ts';
import { PermissionRequest, RespondPermission } from '../schemas/permission.ts';
import { route } from './route.ts';
import { session } from './shared.ts';

/** Pending permission requests and their answers. */
export const permissionRoutes = {
  listPermissions: route({
    ...endpoints.listPermissions,
    access: { may: 'read', of: 'tenant' },
    tag: 'permissions',
    summary: 'The approval inbox: every pending request of every session, oldest first',
    query: z.object({
      ...pageQuery,
      limit: queryInteger(1, 1000).optional().meta({ description: 'Items per page; default: all' }),
    }),
    responses: {
      200: {
        description:
          '`cursor` continues without a gap in `GET /events?after=`; `next_cursor` pages this list',
        schema: page('permissions', PermissionRequest)
          .extend({ cursor: z.int() })
          .meta({ id: 'PermissionPage' }),
      },
    },
    problems: ['cursor_invalid'],
  }),
  respondPermission: route({
    ...endpoints.respondPermission,
    access: { may: 'answer', of: 'session' },
    tag: 'permissions',
    summary: 'Answer a permission request; the first answer wins',
    ...session,
    body: RespondPermission,
    responses: { 200: { description: 'Accepted', schema: z.object({ status: z.literal('ok') }) } },
    problems: ['session_not_found', 'permission_not_found', 'permission_already_settled', 'answer_invalid'],
  }),
};
