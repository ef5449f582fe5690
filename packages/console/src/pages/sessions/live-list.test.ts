import type { Session, SessionEvent } from 'claude-agent-client';
import { describe, expect, test } from 'vitest';
import { afterEvent, afterEvents, type Pages, rowsOf, withoutSession, withSession } from './live-list.ts';
import { filtersOf } from './search.ts';

const session = (id: string, set: Partial<Session> = {}): Session => ({
  session_id: id,
  conversation_id: id,
  created_at: '2026-01-01T00:00:00Z',
  last_activity: '2026-01-01T00:00:00Z',
  status: 'connected',
  state: 'idle',
  message_count: 0,
  title: null,
  metadata: {},
  cwd: '/work',
  current_model: 'demo',
  permission_mode: 'default',
  forked_from: null,
  workspace: null,
  cost_usd: 1,
  last_outcome: null,
  tasks: [],
  ...set,
});

const pagesOf = (...pages: string[][]): Pages => ({
  pages: pages.map((ids) => ({ sessions: ids.map((id) => session(id)), next_cursor: null, has_more: false })),
  pageParams: pages.map(() => undefined),
});
const ids = (pages: Pages): string[] => rowsOf(pages).map(({ session_id: id }) => id);

let seq = 0;
const event = (sessionId: string, type: string, data: object = {}): SessionEvent =>
  ({
    seq: ++seq,
    at: '2026-01-02T00:00:00Z',
    session_id: sessionId,
    turn_id: null,
    type,
    data,
  }) as SessionEvent;
const state = (id: string, now: string): SessionEvent =>
  event(id, 'session.state', { state: now, model: 'demo', permission_mode: 'default', title: null });
const OPEN = filtersOf({});

describe('a session after an event', () => {
  test('shows what it does, and how it is set', () => {
    const set = { state: 'running', model: 'opus', permission_mode: 'plan', title: 'New', cwd: '/other' };
    expect(afterEvent(session('a'), event('a', 'session.state', set))).toMatchObject({
      state: 'running',
      current_model: 'opus',
      permission_mode: 'plan',
      title: 'New',
      cwd: '/other',
      status: 'connected',
    });
    expect(afterEvent(session('a'), event('a', 'session.closed'))).toMatchObject({
      state: 'closed',
      status: 'closed',
    });
  });

  test('has the cost and the outcome of its turn, and that of its background work not twice', () => {
    const end = (type: string) => event('a', type, { result: { cost_usd: 0.5 } });
    const failed = afterEvent(session('a'), end('turn.failed'));
    expect(failed).toMatchObject({
      cost_usd: 1.5,
      last_outcome: 'failed',
      last_activity: '2026-01-02T00:00:00Z',
    });
    expect(afterEvent(failed, end('turn.settled'))).toBe(failed);
    expect(afterEvent(failed, end('turn.completed'))).toMatchObject({
      cost_usd: 2,
      last_outcome: 'completed',
    });
  });

  test('is the same object when nothing changes that the list shows', () => {
    const before = session('a');
    expect(afterEvent(before, event('a', 'permission.requested'))).toBe(before);
  });
});

describe('the list after events', () => {
  test('brings sessions to the top that begin something, the newest first, from any page', () => {
    const { pages } = afterEvents(
      pagesOf(['a', 'b'], ['c', 'd']),
      [event('d', 'turn.started'), event('b', 'turn.queued'), state('c', 'idle')],
      OPEN,
    );
    expect(ids(pages)).toEqual(['b', 'd', 'a', 'c']);
  });

  test('keeps the order while agents work', () => {
    const before = pagesOf(['a', 'b'], ['c']);
    const { pages } = afterEvents(before, [state('b', 'waiting'), event('a', 'turn.started')], OPEN);
    expect(ids(pages)).toEqual(['a', 'b', 'c']);
    expect(pages.pages[1]).toBe(before.pages[1]);
    expect(rowsOf(pages)[1]?.state).toBe('waiting');
  });

  test('is the same object when no event is about a row', () => {
    const before = pagesOf(['a']);
    expect(afterEvents(before, [state('x', 'running')], OPEN)).toEqual({ pages: before, missing: [] });
    expect(afterEvents(before, [state('x', 'running')], OPEN).pages).toBe(before);
  });

  test('names sessions that are not there and may belong there, unless only the server can tell', () => {
    const events = [event('x', 'session.created'), event('y', 'turn.started'), event('x', 'turn.queued')];
    expect(afterEvents(pagesOf(['a']), events, OPEN).missing).toEqual(['x', 'y']);
    expect(afterEvents(pagesOf(['a']), events, filtersOf({ q: 'text' })).missing).toEqual([]);
  });

  test('of a state gains and loses sessions with their states', () => {
    const waiting = filtersOf({ state: 'waiting' });
    const events = [event('y', 'turn.started'), state('x', 'waiting'), state('z', 'running')];
    const { pages, missing } = afterEvents(pagesOf(['a', 'b']), [state('a', 'running'), ...events], waiting);
    // "b" was asked for by its state; no event says that it has left it.
    expect(ids(pages)).toEqual(['b']);
    expect(missing).toEqual(['x']);
    expect(ids(withSession(pages, session('x', { state: 'waiting' }), waiting))).toContain('x');
    expect(ids(withSession(pages, session('x', { state: 'idle' }), waiting))).not.toContain('x');
  });

  test('loses what no longer fits the filters', () => {
    const closed = [event('a', 'session.closed')];
    expect(ids(afterEvents(pagesOf(['a', 'b']), closed, OPEN).pages)).toEqual(['b']);
    expect(ids(afterEvents(pagesOf(['a', 'b']), closed, filtersOf({ status: 'all' })).pages)).toEqual([
      'a',
      'b',
    ]);
    const started = [event('a', 'turn.started'), ...closed];
    expect(ids(afterEvents(pagesOf(['b', 'a']), started, OPEN).pages)).toEqual(['b']);
  });

  test('shows a session once, though a page that is loaded later has it too', () => {
    expect(ids(pagesOf(['a', 'b'], ['b', 'c']))).toEqual(['a', 'b', 'c']);
  });
});

test('a session that was read comes to its place, to the top, or nowhere', () => {
  const before = pagesOf(['a', 'b']);
  expect(rowsOf(withSession(before, session('b', { title: 'x' }), OPEN))[1]?.title).toBe('x');
  expect(ids(withSession(before, session('c'), OPEN))).toEqual(['c', 'a', 'b']);
  const old = session('c', { last_activity: '2025-01-01T00:00:00Z' });
  expect(ids(withSession(before, old, OPEN))).toEqual(['a', 'b', 'c']);
  const more = { ...before, pages: before.pages.map((page) => ({ ...page, has_more: true })) };
  expect(ids(withSession(more, old, OPEN))).toEqual(['a', 'b']);
  expect(withSession(before, session('c', { status: 'closed' }), OPEN)).toBe(before);
  expect(ids(withSession(before, session('a', { status: 'closed' }), OPEN))).toEqual(['b']);
  expect(ids(withSession(before, session('c'), filtersOf({ tag: 'team=red' })))).toEqual(['a', 'b']);
  expect(ids(withoutSession(before, 'a'))).toEqual(['b']);
});
