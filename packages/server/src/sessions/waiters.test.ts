import { expect, test } from 'vitest';
import { sampleTurn } from '../../test/support/samples.ts';
import { awaitTurn, createWaiters, hasEnded } from './waiters.ts';

test('a turn that is kept for the next start is not called unknown by a server that shuts down', async () => {
  const turn = sampleTurn('session', { state: 'running' });
  const of = (isDraining: boolean, found: typeof turn | undefined) => ({
    id: turn.sessionId,
    store: { getTurn: async () => found },
    isDraining: () => isDraining,
  });
  const wait = (...args: Parameters<typeof of>) => awaitTurn(of(...args), createWaiters(), turn.id, hasEnded);
  await expect(wait(true, turn)).rejects.toMatchObject({ code: 'server_stopping' });
  await expect(wait(true, undefined)).rejects.toMatchObject({ code: 'turn_not_found' });
});
