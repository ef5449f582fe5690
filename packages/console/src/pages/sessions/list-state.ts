import type { Session } from 'claude-agent-client';
import { sessionsTexts } from '../../text/sessions.ts';
import type { Tone } from '../../ui/badge.tsx';

/** What the list says of a session: what it does, or, at rest, that its last turn failed. */
export type ShownState = Session['state'] | 'failed';

const AT_REST: ReadonlySet<Session['state']> = new Set(['idle', 'asleep']);

export const shownState = ({
  state,
  last_outcome: outcome,
}: Pick<Session, 'state' | 'last_outcome'>): ShownState =>
  AT_REST.has(state) && outcome === 'failed' ? 'failed' : state;

export const TONES: Readonly<Record<ShownState, Tone>> = {
  running: 'info',
  waiting: 'warn',
  background: 'info',
  idle: 'good',
  asleep: 'neutral',
  closed: 'neutral',
  failed: 'bad',
};

/** Whether an agent works in it: then its files are not to be touched, and it is not complete. */
export const isBusy = ({ state }: Pick<Session, 'state'>): boolean =>
  state === 'running' || state === 'waiting' || state === 'background';

/** The last two names of a path: enough to know a folder by, and short. */
export function shortPath(path: string): string {
  const names = path.split('/').filter((name) => name !== '');
  return names.length <= 2 ? path : `…/${names.slice(-2).join('/')}`;
}

export const titleOf = ({ title }: Pick<Session, 'title'>): string => title ?? sessionsTexts.untitled;
