import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import { INBOX_STATES } from '../reasons.ts';
import { queryInteger } from '../schemas/common.ts';
import { page, pageQuery } from '../schemas/page.ts';
import { InboxRequest, RespondPermission } from '../schemas/permission.ts';
import { route } from './route.ts';
import { session } from './shared.ts';

/** Pending permission requests and their answers. */
export const permissionRoutes = {
  listPermissions: route({
    ...endpoints.listPermissions,
    access: { may: 'read', of: 'tenant' },
    tag: 'permissions',
    summary: 'The approval inbox: every pending request of every session, oldest first; or the settled ones',
    query: z.object({
      ...pageQuery,
      state: z.enum(INBOX_STATES).default('pending').meta({
        description: '`pending`: oldest first; `settled`: what was answered or has ended, the last first',
      }),
      limit: queryInteger(1, 1000)
        .optional()
        .meta({ description: 'Items per page; default: all that wait, 100 of the settled' }),
    }),
    responses: {
      200: {
        description:
          '`cursor` continues without a gap in `GET /events?after=`; `next_cursor` pages this list',
        schema: page('permissions', InboxRequest).extend({ cursor: z.int() }).meta({ id: 'PermissionPage' }),
      },
    },
    problems: ['cursor_invalid'],
  }),
  getPermission: route({
    ...endpoints.getPermission,
    access: { may: 'read', of: 'session' },
    reads: 'store',
    tag: 'permissions',
    summary: 'One permission request, whatever became of it',
    params: session.params.extend({
      request_id: z.string().max(200).meta({ description: 'Request id' }),
    }),
    responses: { 200: { description: 'The request', schema: InboxRequest } },
    problems: ['permission_not_found'],
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
