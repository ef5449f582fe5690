import type { InboxRequest } from 'claude-agent-protocol';
import type { Settlement } from './settlement.ts';

/** A request on the screen; what was settled since stays, so that nobody wonders where it went. */
export interface Entry {
  request: InboxRequest;
  settlement?: Settlement;
}

const byTime = (a: Entry, b: Entry): number =>
  a.request.requested_at < b.request.requested_at
    ? -1
    : a.request.requested_at > b.request.requested_at
      ? 1
      : 0;

/** Settled ones that stay. */
const MOST_SETTLED = 30;

/**
 * The entries with what waits now, oldest first.
 * @returns also the entries that wait no more without a word why
 */
export function mergePending(
  entries: readonly Entry[],
  pending: readonly InboxRequest[],
): { entries: Entry[]; vanished: InboxRequest[] } {
  const waiting = new Map(pending.map((request) => [request.request_id, request]));
  const known = new Set(entries.map(({ request }) => request.request_id));
  const settled = entries.filter(({ settlement }) => settlement !== undefined).slice(-MOST_SETTLED);
  const open = entries
    .filter(({ settlement }) => settlement === undefined)
    .map(({ request }) => ({ request: waiting.get(request.request_id) ?? request }));
  const added = pending.filter(({ request_id }) => !known.has(request_id)).map((request) => ({ request }));
  return {
    entries: [...settled, ...open, ...added].sort(byTime),
    vanished: open.map(({ request }) => request).filter(({ request_id }) => !waiting.has(request_id)),
  };
}

/** The entries after one was settled; the first word about it counts, unless a later one knows who. */
export const settle = (entries: readonly Entry[], id: string, settlement: Settlement): Entry[] =>
  entries.map((entry) => (entry.request.request_id === id ? { ...entry, settlement } : entry));

/** The request that keys go to after `selected`: the next that waits, the last one at the end. */
export function step(
  entries: readonly Entry[],
  selected: string | undefined,
  by: 1 | -1,
): string | undefined {
  const at = entries.findIndex(({ request }) => request.request_id === selected);
  const waits = ({ settlement }: Entry): boolean => settlement === undefined;
  const after = at < 0 ? entries : by === 1 ? entries.slice(at + 1) : entries.slice(0, at);
  const found = by === 1 || at < 0 ? after.find(waits) : after.findLast(waits);
  const stays = entries[at] && waits(entries[at]) ? selected : undefined;
  return found?.request.request_id ?? stays ?? entries.findLast(waits)?.request.request_id;
}
