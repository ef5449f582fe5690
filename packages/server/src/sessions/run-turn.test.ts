import { expect, test } from 'vitest';
import type { Store } from '../store/store.ts';
import type { Parked, State } from './machine/state.ts';
import type { ProcessHandle } from './process.ts';
import { resumeParked } from './run-turn.ts';

const parkedFor = (requestId: string): Parked => ({
  turnId: 'turn',
  requestId,
  toolUseId: `call of ${requestId}`,
  decision: { allowed: true, applySuggestions: false },
  process: undefined,
  starts: 1,
});

/** Fails to start a process, while the turn comes to wait for `now`. Gives the commands that follow. */
async function failToResume(parked: Parked, now: Parked): Promise<unknown[]> {
  const said: unknown[] = [];
  await resumeParked(
    {
      store: {} as Store,
      limits: { requireDay: async () => {} },
      agent: { taken: async () => [] },
      state: () => ({ parked: now, draining: false }) as State,
      process: {
        wake: () => Promise.reject(new Error('no')),
        end: async () => {},
      } as unknown as ProcessHandle,
      isCrowded: () => false,
      fact: (command) => void said.push(command),
    },
    parked,
  );
  return said;
}

test('a turn whose call no process asks for again is given up', async () => {
  const parked = parkedFor('first');
  expect(await failToResume(parked, parked)).toMatchObject([{ kind: 'parked-lost', requestId: 'first' }]);
});

test('a turn that is parked for its next call is not given up for the one before', async () => {
  expect(await failToResume(parkedFor('first'), parkedFor('second'))).toEqual([]);
});
