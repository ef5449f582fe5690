import { type Evidence, isByAgent } from './evidence.ts';
import type { Journal } from './journal.ts';

/** What there was to lose. */
export function sums(journal: Journal, evidence: Evidence): Record<string, number> {
  const all = [...evidence.values()];
  const count = <T>(
    lists: (session: (typeof all)[number]) => readonly T[],
    fits: (item: T) => boolean,
  ): number => all.reduce((sum, session) => sum + lists(session).filter(fits).length, 0);
  const told = (type: string): number =>
    count(
      ({ events }) => events,
      (event) => event.type === type,
    );
  const ended = (state: string): number =>
    count(
      ({ turns }) => turns,
      (turn) => turn.state === state,
    );
  const asked = (fits: (reason: string | null, durable: boolean) => boolean): number =>
    count(
      ({ permissions }) => permissions,
      ({ reason, durable }) => fits(reason, durable),
    );
  return {
    sessions: journal.sessions.size,
    'messages accepted': journal.messages.length,
    'turns completed': ended('completed'),
    'turns interrupted': ended('interrupted'),
    'turns failed': ended('failed'),
    'messages taken into a turn': ended('steered'),
    'prompts and results that agents wrote': count(({ transcript }) => transcript, isByAgent),
    'side effects': count(
      ({ effects }) => effects,
      () => true,
    ),
    'permissions answered': asked((reason) => reason === 'answered'),
    'permissions expired (none durable)': asked((reason) => reason !== 'answered'),
    'of all, durable': asked((_, durable) => durable),
    'turns parked': told('turn.parked'),
    'turns resumed': told('turn.resumed'),
    'turns that went on after a crash': told('turn.continued'),
    events: count(
      ({ events }) => events,
      () => true,
    ),
    'events seen by readers': journal.readers.reduce(
      (sum, { connections }) => sum + connections.flat().length,
      0,
    ),
    connections: journal.readers.reduce((sum, { connections }) => sum + connections.length, 0),
    'requests without an answer': journal.unanswered,
  };
}
