import { z } from 'zod';
import { ROLES } from '../access.ts';
import { endpoints } from '../endpoints.ts';
import { Timestamp } from '../schemas/common.ts';
import { TenantName } from '../schemas/key.ts';
import { route } from './route.ts';

const Me = z
  .object({
    kind: z.enum(['local', 'key']).meta({ description: '`local`: a program of this machine, without a key' }),
    id: z.string().meta({ description: 'As events and sessions name the caller' }),
    name: z.string().nullable().meta({ description: 'Of a key that was made here' }),
    tenant: TenantName,
    role: z.enum(ROLES),
    expires_at: Timestamp.nullable().meta({ description: 'When the credential ends by itself' }),
  })
  .meta({ id: 'Me' });

/** Who calls, and how a page of the server signs somebody in. */
export const signInRoutes = {
  me: route({
    ...endpoints.me,
    access: { may: 'read', of: 'server' },
    tag: 'keys',
    summary: 'Who the caller is, and what it may do',
    responses: { 200: { description: 'The caller', schema: Me } },
  }),
  signIn: route({
    ...endpoints.signIn,
    access: 'open',
    tag: 'keys',
    summary: "Exchange a key for a cookie, for the server's own pages",
    body: z.object({
      key: z.string().min(1).max(16_384).meta({ description: 'A key or token of this server' }),
    }),
    responses: {
      200: {
        description: 'The caller. The cookie is the key, sealed: only this server can open it',
        schema: Me,
        headers: {
          'set-cookie': 'HttpOnly and SameSite=Strict: no script can read it, and no other site can use it',
        },
      },
    },
    problems: ['sign_in_failed', 'too_many_failures'],
  }),
  signOut: route({
    ...endpoints.signOut,
    access: 'open',
    tag: 'keys',
    summary: 'Remove the cookie of a sign-in from the browser',
    responses: {
      200: {
        description: 'Removed; the key itself stays good',
        schema: z.object({ signed_out: z.literal(true) }),
      },
    },
  }),
};
