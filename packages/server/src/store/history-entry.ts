import type { EventData, UserInput } from 'claude-agent-protocol';
import type { ReadRow } from './rows.ts';
import type { HistoryEntry } from './store.ts';

/** An entry of a history from a row with the event's `type` and `data`, and the `input` of the turn that it begins. */
export function historyEntry(row: ReadRow): HistoryEntry['entry'] {
  if (row.type === 'turn.started') return { input: JSON.parse(String(row.input)) as UserInput };
  if (row.type !== 'turn.steered') return { json: String(row.data) };
  const { message, message_id: messageId } = JSON.parse(String(row.data)) as EventData<'turn.steered'>;
  return { input: message, messageId };
}
