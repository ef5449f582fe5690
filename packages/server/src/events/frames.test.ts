import { expect, test } from 'vitest';
import type { StoredEvent } from '../store/store.ts';
import { eventJson, readEvent } from './frames.ts';

test('an event of a stream is read as it was written', () => {
  const event: StoredEvent = {
    sessionId: 's',
    turnId: 't',
    seq: 7,
    cursor: 0,
    at: '2026-01-01T00:00:00.000Z',
    type: 'agent.message',
    json: '{"type":"user","text":"a \\"quote\\", and ,\\"data\\":1"}',
  };
  for (const each of [event, { ...event, turnId: null, json: '{}' }])
    expect(readEvent(eventJson(each))).toEqual(each);
});
