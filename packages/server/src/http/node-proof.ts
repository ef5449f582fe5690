import { createHmac, timingSafeEqual } from 'node:crypto';
import { ROLES } from 'claude-agent-protocol';
import { z } from 'zod';
import type { Principal } from '../access/principal.ts';

/** Clocks of nodes may differ by this much; a proof is made for one request and used at once. */
const VALID_MS = 60_000;

const Claims = z.object({
  at: z.number(),
  principal: z.object({
    kind: z.enum(['local', 'key']),
    id: z.string(),
    tenant: z.string(),
    role: z.enum(ROLES),
    stored: z.boolean().optional(),
    sessionId: z.string().optional(),
  }),
});

/** Signs and checks what one node says to another, with the secret that all nodes of a cluster share. */
export interface NodeProof {
  /** The value of the header, for a request of this principal. An agent's token is good on its own node only. */
  sign(principal: Principal): string;
  /** The principal of a request that another node passed on; undefined if the header is not a node's. */
  verify(header: string): Principal | undefined;
}

/** @param secret the cluster's, from its database */
export function createNodeProof(secret: string, now: () => number = Date.now): NodeProof {
  const digest = (text: string): string => createHmac('sha256', secret).update(text).digest('base64url');
  return {
    sign(principal) {
      const claims = Buffer.from(JSON.stringify({ at: now(), principal })).toString('base64url');
      return `${claims}.${digest(claims)}`;
    },
    verify(header) {
      const [claims = '', given = ''] = header.split('.');
      const expected = Buffer.from(digest(claims));
      const actual = Buffer.from(given);
      if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) return undefined;
      const parsed = Claims.safeParse(JSON.parse(Buffer.from(claims, 'base64url').toString()));
      if (!parsed.success || Math.abs(now() - parsed.data.at) > VALID_MS) return undefined;
      return parsed.data.principal;
    },
  };
}
