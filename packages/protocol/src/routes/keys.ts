import { z } from 'zod';
import { endpoints } from '../endpoints.ts';
import {
  CreateKey,
  CreateToken,
  Key,
  KeyCreated,
  PatchKey,
  RotateKey,
  TenantName,
  TokenCreated,
} from '../schemas/key.ts';
import { LimitStates } from '../schemas/limits.ts';
import { page, pageQuery } from '../schemas/page.ts';
import { route } from './route.ts';
import { session } from './shared.ts';

const key = { params: z.object({ key_id: z.string().min(1).max(64).meta({ description: 'Id of a key' }) }) };

/** Keys that open the server, and tokens for one session. */
export const keyRoutes = {
  createKey: route({
    ...endpoints.createKey,
    access: { may: 'manage', of: 'tenant' },
    tag: 'keys',
    summary: 'Make a key; its secret is shown this once',
    body: CreateKey,
    responses: { 200: { description: 'The key, with its secret', schema: KeyCreated } },
    problems: ['key_beyond_own', 'policy_unknown'],
  }),
  listKeys: route({
    ...endpoints.listKeys,
    access: { may: 'manage', of: 'tenant' },
    tag: 'keys',
    summary: 'List the keys that were made here, without their secrets',
    query: z.object({
      ...pageQuery,
      tenant: TenantName.optional().meta({ description: 'Only keys of this tenant' }),
    }),
    responses: {
      200: { description: 'By id; those of the configuration are not among them', schema: page('keys', Key) },
    },
    problems: [],
  }),
  patchKey: route({
    ...endpoints.patchKey,
    access: { may: 'manage', of: 'tenant' },
    tag: 'keys',
    summary: 'Change the name, expiry, budget or limits of a key',
    ...key,
    body: PatchKey,
    responses: {
      200: { description: 'The key; its limits hold at once, on other nodes within a second', schema: Key },
    },
    problems: ['key_not_found', 'key_beyond_own'],
  }),
  rotateKey: route({
    ...endpoints.rotateKey,
    access: { may: 'manage', of: 'tenant' },
    tag: 'keys',
    summary: 'Give a key another secret',
    ...key,
    body: RotateKey,
    bodyRequired: false,
    responses: { 200: { description: 'The key, with its new secret', schema: KeyCreated } },
    problems: ['key_not_found', 'key_beyond_own'],
  }),
  revokeKey: route({
    ...endpoints.revokeKey,
    access: { may: 'manage', of: 'tenant' },
    tag: 'keys',
    summary: 'Revoke a key and the tokens that it made: open streams end, too',
    ...key,
    responses: { 200: { description: 'Revoked, within a second on every node', schema: Key } },
    problems: ['key_not_found', 'key_beyond_own'],
  }),
  getLimits: route({
    ...endpoints.getLimits,
    access: { may: 'read', of: 'tenant' },
    tag: 'keys',
    summary:
      'The limits that apply to the caller, what is used of them, and when they are counted from 0 again',
    responses: { 200: { description: "The caller's own, then those of its tenant", schema: LimitStates } },
    problems: [],
  }),
  createToken: route({
    ...endpoints.createToken,
    access: { may: 'use', of: 'session' },
    reads: 'store',
    tag: 'keys',
    summary: 'Make a token for one session, for a web page that follows it',
    ...session,
    body: CreateToken,
    bodyRequired: false,
    responses: { 200: { description: 'The token, with its secret', schema: TokenCreated } },
    problems: ['session_not_found'],
  }),
};
