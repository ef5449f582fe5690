import type { Change, SessionRecord } from '../../store/store.ts';
import { stateEvent } from '../views.ts';
import type { Effect } from './commands.ts';
import { type State, shownState } from './state.ts';

/** A decision in the making: it lives only inside `decide`. */
export interface Draft {
  /** Replaced, never changed in place. */
  state: State;
  /** Written in one transaction. */
  readonly changes: Change[];
  /** Performed after the commit. */
  readonly effects: Effect[];
  /** The time of the command. */
  readonly at: string;
}

/** Changes state that only memory holds. */
export function assign(draft: Draft, changed: Partial<State>): void {
  draft.state = { ...draft.state, ...changed };
}

/** Changes the session's row. */
export function update(draft: Draft, set: Partial<SessionRecord>): void {
  const { record } = draft.state;
  draft.state = { ...draft.state, record: { ...record, ...set } };
  draft.changes.push({ kind: 'update-session', id: record.id, set });
}

/** Writes a `session.state` event if the session's state has changed. */
export function noteState(draft: Draft): void {
  const shown = shownState(draft.state);
  if (shown === draft.state.shown) return;
  assign(draft, { shown });
  tellState(draft);
}

/** Writes a `session.state` event. */
export function tellState({ state, changes, at }: Draft): void {
  changes.push(stateEvent(state.record, state.shown, state.defaultModel, at));
}
