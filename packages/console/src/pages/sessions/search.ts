import type { Session, SessionEvent } from 'claude-agent-client';

/** What a session can be asked to do, to be shown: in the words of a reader, for whom work in the background runs too. */
export const STATE_CHOICES = {
  waiting: ['waiting'],
  running: ['running', 'background'],
  idle: ['idle'],
  asleep: ['asleep'],
} as const;
export type StateChoice = keyof typeof STATE_CHOICES;
type State = (typeof STATE_CHOICES)[StateChoice][number];

/** Which sessions are shown: kept in the page's address, so that it can be kept, sent and gone back to. */
export interface SessionsSearch {
  q?: string;
  /** Open ones unless it says otherwise. */
  status?: 'closed' | 'all';
  /** Open ones that do this now. */
  state?: StateChoice;
  cwd?: string;
  /** A tag: `name=value` of the metadata. */
  tag?: string;
  /** The dialog that is open over the list. */
  dialog?: 'create' | 'resume' | 'import';
}

const DIALOGS: readonly unknown[] = ['create', 'resume', 'import'];

/** Reads what stands in the address; whatever it does not know counts as not there. */
export function parseSearch(given: Record<string, unknown>): SessionsSearch {
  const text = (value: unknown): string | undefined =>
    typeof value === 'string' && value !== ''
      ? value
      : typeof value === 'number' || typeof value === 'boolean'
        ? String(value)
        : undefined;
  const q = text(given.q)?.slice(0, 500);
  const cwd = text(given.cwd);
  const tag = text(given.tag);
  const state = Object.keys(STATE_CHOICES).find((choice) => choice === given.state);
  return {
    ...(q !== undefined && { q }),
    ...(state !== undefined
      ? { state: state as StateChoice }
      : (given.status === 'closed' || given.status === 'all') && { status: given.status }),
    ...(cwd !== undefined && { cwd }),
    ...(tag !== undefined && parseTag(tag) && { tag }),
    ...(DIALOGS.includes(given.dialog) && { dialog: given.dialog as 'create' }),
  };
}

export type TagValue = string | number | boolean | null;

/** A tag as it is typed: `name=value`. Numbers, `true`, `false` and `null` are no texts; quotes make them ones. */
export function parseTag(text: string): [name: string, value: TagValue] | undefined {
  const at = text.indexOf('=');
  const name = text.slice(0, at).trim();
  if (at < 1 || name === '') return undefined;
  return [name, parseValue(text.slice(at + 1).trim())];
}

function parseValue(text: string): TagValue {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? text : (value as TagValue);
  } catch {
    return text;
  }
}

/** A tag in the form that `parseTag` reads. */
export function formatTag(name: string, value: TagValue): string {
  const text = String(value);
  return `${name}=${typeof value === 'string' && parseValue(text) !== text ? JSON.stringify(text) : text}`;
}

/** The members of a session's metadata that can be searched for. */
export const tagsOf = ({ metadata }: Pick<Session, 'metadata'>): [string, TagValue][] =>
  Object.entries(metadata).filter(
    (entry): entry is [string, TagValue] =>
      entry[1] === null || ['string', 'number', 'boolean'].includes(typeof entry[1]),
  );

/** The filters of the list as the server takes them. */
export interface ListFilters {
  status: 'connected' | 'closed' | 'all';
  state?: readonly State[];
  q?: string;
  cwd?: string;
  metadata?: Record<string, TagValue>;
}

export function filtersOf({ q, status, state, cwd, tag }: SessionsSearch): ListFilters {
  const parsed = tag === undefined ? undefined : parseTag(tag);
  return {
    status: status ?? 'connected',
    ...(state && { state: STATE_CHOICES[state] }),
    ...(q !== undefined && { q }),
    ...(cwd !== undefined && { cwd }),
    ...(parsed && { metadata: { [parsed[0]]: parsed[1] } }),
  };
}

/** Whether a session belongs into the list. A text can only be looked for by the server: then it is not known. */
export function belongs(session: Session, { status, state, cwd, q, metadata }: ListFilters): boolean {
  if (q !== undefined) return false;
  if (state && !isIn(session, state)) return false;
  if (status !== 'all' && session.status !== status) return false;
  if (cwd !== undefined && session.cwd !== cwd) return false;
  return Object.entries(metadata ?? {}).every(([name, value]) => session.metadata[name] === value);
}

/** Whether an event says that its session does something new, and comes to the top of the list. */
export const isActivity = ({ type }: Pick<SessionEvent, 'type'>): boolean =>
  type === 'session.created' || type === 'turn.queued' || type === 'turn.started';

/** Whether a session, or what an event says of it, is in one of these states. */
export const isIn = ({ state }: Pick<Session, 'state'>, states: readonly State[]): boolean =>
  states.some((each) => each === state);
