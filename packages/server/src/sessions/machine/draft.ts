import type { Change, SessionRecord } from '../../store/store.ts';
import { stateEvent } from '../views.ts';
import type { Effect } from './commands.ts';
import { type State, shownState } from './state.ts';

/** A decision in the making: it lives only inside `decide`. */
export interface Draft {
  /** Replaced, never changed in place. */
  state: State;
  /** What must be written for it, in one transaction. */
  readonly changes: Change[];
  /** What follows, once it is written. */
  readonly effects: Effect[];
  /** When it happens. */
  readonly at: string;
}

/** Sets what only memory holds. */
export function assign(draft: Draft, changed: Partial<State>): void {
  draft.state = { ...draft.state, ...changed };
}

/** Sets what the session's row holds. */
export function update(draft: Draft, set: Partial<SessionRecord>): void {
  const { record } = draft.state;
  draft.state = { ...draft.state, record: { ...record, ...set } };
  draft.changes.push({ kind: 'update-session', id: record.id, set });
}

/** Tells what the session does, if that is something else than before. */
export function noteState(draft: Draft): void {
  const shown = shownState(draft.state);
  if (shown === draft.state.shown) return;
  assign(draft, { shown });
  tellState(draft);
}

/** Tells what the session does and how it is set. */
export function tellState({ state, changes, at }: Draft): void {
  changes.push(stateEvent(state.record, state.shown, state.defaultModel, at));
}
