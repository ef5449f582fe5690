import { expect, test } from 'vitest';
import { createQueueLimit } from './queue-limit.ts';

/** Two sessions, one with this many queued turns, and so many free permits. */
const limited = (max: number, free: number, queued = 0, starting = false) =>
  createQueueLimit({
    max,
    permits: { free: () => free },
    sessions: () => [
      { queuedTurns: () => queued, needsPermit: () => false },
      { queuedTurns: () => 0, needsPermit: () => starting },
    ],
  });
const BUSY = { isBusy: true, hasProcess: true };
const ASLEEP = { isBusy: false, hasProcess: false };
const IDLE = { isBusy: false, hasProcess: true };
const FULL = expect.objectContaining({ code: 'queue_full', status: 503 });

/** How many of these are admitted at once. */
const admitted = (limit: ReturnType<typeof limited>, receivers: (typeof BUSY)[]): number =>
  receivers.filter((receiver) => {
    try {
      limit.admit(receiver);
      return true;
    } catch (error) {
      expect(error).toEqual(FULL);
      return false;
    }
  }).length;
const ten = (receiver: typeof BUSY) => Array.from({ length: 10 }, () => receiver);

test('messages behind others are admitted up to the limit, those under way included', () => {
  expect(admitted(limited(4, 0), ten(BUSY))).toBe(4);
  expect(admitted(limited(4, 9, 3), ten(BUSY))).toBe(1);
});

test('a message that needs a process counts when there is none for it', () => {
  expect(admitted(limited(4, 3), ten(ASLEEP))).toBe(7);
  expect(admitted(limited(4, 3, 0, true), ten(ASLEEP))).toBe(6);
  expect(admitted(limited(0, 1), [ASLEEP, BUSY, ASLEEP])).toBe(1);
});

test('a message for an idle process is always admitted, and takes the room that the process would make', () => {
  expect(admitted(limited(0, 2, 9), ten(IDLE))).toBe(10);
  expect(admitted(limited(0, 2), [IDLE, ASLEEP, ASLEEP])).toBe(2);
});

test('a message counts no more when it is accepted or refused', () => {
  const limit = limited(1, 0);
  const end = limit.admit(BUSY);
  expect(() => limit.admit(BUSY)).toThrow(FULL);
  end();
  end();
  limit.admit(BUSY);
});

test('the room is what is left of the permits, as the limit counts them', () => {
  const limit = limited(4, 3, 0, true);
  expect(limit.room()).toBe(2);
  const end = limit.admit(IDLE);
  limit.admit(ASLEEP);
  expect(limit.room()).toBe(0);
  end();
  expect(limit.room()).toBe(1);
  expect(limited(4, 0, 0, true).room()).toBe(0);
});
