import type { EventData, EventType } from 'claude-agent-protocol';
import type { StoredEvent } from '../store/store.ts';

/** What a stored event holds. The cast is the only one: only `event` (log.ts) writes into the store. */
export const dataOf = <T extends EventType>({ json }: StoredEvent<T>): EventData<T> =>
  JSON.parse(json) as EventData<T>;

/** Whether a stored event is of a type, so that `dataOf` knows what it holds. */
export const isEvent = <T extends EventType>(stored: StoredEvent, type: T): stored is StoredEvent<T> =>
  stored.type === type;
