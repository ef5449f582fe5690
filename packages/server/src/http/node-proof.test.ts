import { describe, expect, test } from 'vitest';
import { LOCAL } from '../access/principal.ts';
import { createNodeProof } from './node-proof.ts';

const START = 1_000_000;
const KEY = { kind: 'key', id: 'a', tenant: 'them', role: 'user' } as const;

describe('a proof of a node', () => {
  const proof = createNodeProof('the secret of all nodes', () => START);

  test('carries the principal to every node with the same secret', () => {
    const other = createNodeProof('the secret of all nodes', () => START + 59_000);
    expect(other.verify(proof.sign(KEY))).toEqual(KEY);
    expect(other.verify(proof.sign(LOCAL))).toEqual(LOCAL);
  });

  test('is refused with another secret, when it is old, or when it was changed', () => {
    const signed = proof.sign(KEY);
    expect(createNodeProof('another', () => START).verify(signed)).toBeUndefined();
    expect(createNodeProof('the secret of all nodes', () => START + 61_000).verify(signed)).toBeUndefined();
    const forged = Buffer.from(JSON.stringify({ at: START, principal: LOCAL }));
    expect(proof.verify(`${forged.toString('base64url')}.${signed.split('.')[1]}`)).toBeUndefined();
    for (const text of ['', '.', 'a', 'a.b', '.'.repeat(50)]) expect(proof.verify(text)).toBeUndefined();
  });

  test('does not carry the token of an agent', () => {
    const signed = proof.sign({ kind: 'session', sessionId: 'b' });
    expect(proof.verify(signed)).toBeUndefined();
  });
});
