import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, type RefObject, useEffect, useMemo, useRef } from 'react';
import { sessionsTexts as texts } from '../../text/sessions.ts';
import { type Command, useCommands } from '../../ui/commands.tsx';
import { Failure, Loading } from '../../ui/states.tsx';
import type { RowActions } from './actions.ts';
import { COLUMNS, ROW_HEIGHT, SessionRow } from './session-row.tsx';
import { useIsWide } from './use-is-wide.ts';
import type { SessionList } from './use-session-list.ts';

/** Rows are asked for before the reader reaches them. */
const AHEAD = 40;

/** The rows that are in sight, of a list of any length. `j` and `k` go through it, Enter opens. */
export function SessionRows({ list, actions }: { list: SessionList; actions: RowActions }): ReactNode {
  const scroller = useRef<HTMLDivElement>(null);
  const isWide = useIsWide();
  const { rows, hasMore, isLoadingMore, loadMore } = list;
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (isWide ? ROW_HEIGHT.wide : ROW_HEIGHT.phone),
    getItemKey: (index) => rows[index]?.session_id ?? index,
    overscan: 12,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the heights are others when the width is
  useEffect(() => virtualizer.measure(), [virtualizer, isWide]);
  const items = virtualizer.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && !isLoadingMore && !list.error && last >= rows.length - AHEAD) loadMore();
  });
  useRowKeys(scroller, rows, (index) => virtualizer.scrollToIndex(index));

  return (
    <div ref={scroller} className="min-h-0 grow overflow-y-auto">
      <div
        aria-hidden
        className={`sticky top-0 z-2 hidden border-b bg-surface px-4 py-1 text-xs text-muted ${COLUMNS}`}
      >
        <span>{texts.columns.state}</span>
        <span>{texts.columns.title}</span>
        <span>{texts.columns.model}</span>
        <span className="text-right">{texts.columns.cost}</span>
        <span className="text-right">{texts.columns.activity}</span>
        <span />
      </div>
      <ul
        aria-label={texts.list}
        aria-busy={list.isStale}
        className={list.isStale ? 'relative opacity-60' : 'relative'}
        style={{ height: virtualizer.getTotalSize() }}
      >
        {items.map(({ key, index, start, size }) => {
          const session = rows[index];
          return (
            session && (
              <li
                key={key}
                aria-setsize={hasMore ? -1 : rows.length}
                aria-posinset={index + 1}
                className="absolute inset-x-0 top-0"
                style={{ height: size, transform: `translateY(${start}px)` }}
              >
                <SessionRow session={session} actions={actions} />
              </li>
            )
          );
        })}
      </ul>
      {isLoadingMore && <Loading label={texts.loadingMore} />}
      {Boolean(list.error) && <Failure problem={list.error} retry={list.retry} />}
    </div>
  );
}

/** `j` and `k` give the focus to the next and the previous session; the browser's own Enter opens it. */
function useRowKeys(
  scroller: RefObject<HTMLElement | null>,
  rows: SessionList['rows'],
  scrollTo: (index: number) => void,
): void {
  const latest = useRef({ rows, scrollTo });
  useEffect(() => {
    latest.current = { rows, scrollTo };
  });
  /** By its id: rows move while agents work. */
  const at = useRef<string>(undefined);
  const commands = useMemo<Command[]>(() => {
    const linkOf = (id: string): HTMLElement | null | undefined =>
      scroller.current?.querySelector<HTMLElement>(`[data-session="${CSS.escape(id)}"]`);
    const go = (step: number): void => {
      const { rows, scrollTo } = latest.current;
      const focused = document.activeElement?.closest<HTMLElement>('[data-session]')?.dataset.session;
      const from = rows.findIndex(({ session_id: id }) => id === (focused ?? at.current));
      const index = Math.min(Math.max(from + step, 0), rows.length - 1);
      const id = rows[index]?.session_id;
      if (id === undefined) return;
      at.current = id;
      scrollTo(index);
      // A row that was out of sight is there after the next frame.
      requestAnimationFrame(() => requestAnimationFrame(() => linkOf(id)?.focus({ preventScroll: true })));
    };
    return [
      { id: 'sessions.next', label: texts.keys.next, keys: 'j', run: () => go(1) },
      { id: 'sessions.previous', label: texts.keys.previous, keys: 'k', run: () => go(-1) },
    ];
  }, [scroller]);
  useCommands(commands);
}
