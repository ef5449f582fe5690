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

const cookie = {
  'set-cookie': 'HttpOnly and SameSite=Strict: no script can read it, and no other site can use it',
};
const redirect = { headers: { location: 'Where the browser goes' } };

/** Who calls, and how a page of the server signs somebody in. */
export const signInRoutes = {
  me: route({
    ...endpoints.me,
    access: { may: 'read', of: 'server' },
    tag: 'keys',
    summary: 'Who the caller is, and what it may do',
    responses: { 200: { description: 'The caller', schema: Me } },
  }),
  getSignIn: route({
    ...endpoints.getSignIn,
    access: 'open',
    tag: 'keys',
    summary: 'How people can sign in',
    responses: {
      200: {
        description: 'Besides a key, which always can',
        schema: z.object({
          oidc: z
            .object({ name: z.string() })
            .nullable()
            .meta({ description: 'The identity provider, by its name, when there is one' }),
          renewable: z.boolean().meta({
            description: 'This browser can renew its sign-in, also one that is over, without its user',
          }),
        }),
      },
    },
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
        headers: cookie,
      },
    },
    problems: ['sign_in_failed', 'too_many_failures'],
  }),
  startOidcSignIn: route({
    ...endpoints.startOidcSignIn,
    access: 'open',
    tag: 'keys',
    summary:
      'Sign a browser in at the identity provider. `return_to` names the page of the console that it goes on to, such as `sessions`',
    responses: { 302: { ...redirect, description: 'To the provider; to the console when that fails' } },
    raw: true,
  }),
  finishOidcSignIn: route({
    ...endpoints.finishOidcSignIn,
    access: 'open',
    tag: 'keys',
    summary: 'Where the identity provider sends the browser back',
    responses: {
      302: {
        ...redirect,
        description:
          'To the console: with the cookie of `POST /sign-in`, or with `sign_in_error` in its query',
      },
    },
    raw: true,
    audited: true,
  }),
  renewSignIn: route({
    ...endpoints.renewSignIn,
    access: 'open',
    tag: 'keys',
    summary: "Ask the identity provider for a signed-in user's next token",
    responses: { 200: { description: 'The user, until the end of that', schema: Me, headers: cookie } },
    problems: ['sign_in_over', 'provider_unreachable'],
    // Pages do it every few minutes; nobody decides anything.
    audited: false,
  }),
  signOut: route({
    ...endpoints.signOut,
    access: 'open',
    tag: 'keys',
    summary: 'Remove the cookie of a sign-in from the browser',
    responses: {
      200: {
        description: 'Removed; the key itself stays good',
        schema: z.object({
          signed_out: z.literal(true),
          continue_at: z
            .string()
            .optional()
            .meta({ description: "The identity provider's own page for signing out, for the browser" }),
        }),
      },
    },
  }),
};
