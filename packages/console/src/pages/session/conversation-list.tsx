import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown } from 'lucide-react';
import {
  type ReactNode,
  useCallback,
  useEffect,
  useEffectEvent,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { sessionTexts } from '../../text/session.ts';
import { Button } from '../../ui/button.tsx';
import { useToasts } from '../../ui/toasts.tsx';
import type { Followed, Follower } from './follow.ts';
import { ScreenRowView } from './screen-row.tsx';
import { keysOf, mainBlocks, rowsOf, type ScreenRow } from './screen-rows.ts';

/** Rows above and below the visible ones that are drawn: a fast scroll shows no gaps. */
const OVERSCAN = 6;
/** A first guess of a row's height; rows are measured when they are drawn. */
const ESTIMATED_PX = 72;
/** So near to the end a reader follows what is written. */
const AT_END_PX = 80;
/** Room for the note above the first row. */
const TOP_PX = 44;
/** Older events are loaded before the reader has come to the top. */
const LOAD_WITHIN_PX = 1_200;

const TOP_NOTES: Readonly<Record<Followed['older'], string>> = {
  none: sessionTexts.beginning,
  removed: sessionTexts.olderRemoved,
  there: sessionTexts.loadingOlder,
  loading: sessionTexts.loadingOlder,
};

/** The rows of a conversation, of which only those in sight are drawn: 50,000 events scroll like 50. */
export function ConversationList({
  follower,
  followed,
  target,
}: {
  follower: Follower;
  followed: Followed;
  /** The turn that the address of the page names. */
  target: string | undefined;
}): ReactNode {
  const scroller = useRef<HTMLElement>(null);
  const { fail } = useToasts();
  const { view } = followed;
  const open = mainBlocks(view);
  // While words are only added to a block, no row comes or goes: the list is not measured again.
  const openKeys = keysOf(open);
  const rows = useMemo(() => rowsOf(view.items, openKeys), [view.items, openKeys]);
  const [isAtEnd, setAtEnd] = useState(true);
  /** The newest event that the reader has seen at the end. */
  const [seen, setSeen] = useState(view.last);
  if (isAtEnd && seen !== view.last) setSeen(view.last);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((index: number) => rows.key(index), [rows]),
    estimateSize: () => ESTIMATED_PX,
    overscan: OVERSCAN,
    gap: 12,
    paddingStart: TOP_PX,
    paddingEnd: 24,
    // Rows that come before keep what is read in its place; at the end what is written is followed.
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: AT_END_PX,
  });

  const onScroll = (): void => {
    const element = scroller.current;
    if (!element) return;
    setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight <= AT_END_PX);
    if (element.scrollTop < LOAD_WITHIN_PX) void follower.loadOlder();
  };
  // A page of few rows may not fill the window.
  useEffect(() => {
    const element = scroller.current;
    if (followed.older === 'there' && element && element.scrollHeight < element.clientHeight + LOAD_WITHIN_PX)
      void follower.loadOlder();
  }, [followed.older, follower]);

  const hasRows = rows.length > 0;
  const toEnd = useCallback(() => virtualizer.scrollToEnd(), [virtualizer]);
  // A conversation opens at its end, unless the address names a turn.
  useLayoutEffect(() => {
    if (hasRows && target === undefined) toEnd();
  }, [hasRows, target, toEnd]);
  // What stands below grows and shrinks, such as the queue: a reader at the end stays there.
  const onResize = useEffectEvent(() => isAtEnd && toEnd());
  useEffect(() => {
    const observer = new ResizeObserver(() => onResize());
    if (scroller.current) observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);
  const showTarget = useEffectEvent(async (turnId: string): Promise<void> => {
    if (!(await follower.loadTurn(turnId))) fail(sessionTexts.turnMissing);
    // The rows are those of the next drawing.
    requestAnimationFrame(() => scrollToTurn(turnId));
  });
  const scrollToTurn = useEffectEvent((turnId: string): void => {
    const index = view.items.findIndex((item) => item.turnId === turnId);
    if (index >= 0) virtualizer.scrollToIndex(index, { align: 'start' });
  });
  const isReady = followed.phase === 'ready';
  useEffect(() => {
    if (isReady && target !== undefined) void showTarget(target);
  }, [isReady, target]);

  return (
    <div className="relative min-h-0 grow">
      <section
        ref={scroller}
        onScroll={onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the conversation is scrolled with the keyboard
        tabIndex={0}
        aria-label={sessionTexts.conversation}
        className="h-full overflow-y-auto [overflow-anchor:none]"
      >
        <h2 className="sr-only">{sessionTexts.conversation}</h2>
        <div className="relative mx-auto w-full max-w-4xl" style={{ height: virtualizer.getTotalSize() }}>
          <p className="absolute top-3 w-full text-center text-xs text-muted">{TOP_NOTES[followed.older]}</p>
          {virtualizer.getVirtualItems().map(({ index, key, start }) => (
            <div
              key={key}
              ref={virtualizer.measureElement}
              data-index={index}
              className="absolute top-0 left-0 w-full px-4"
              style={{ transform: `translateY(${start}px)` }}
            >
              <RowOf row={rows.at(index, open)} target={target} />
            </div>
          ))}
        </div>
      </section>
      {!isAtEnd && (
        <Button
          look="primary"
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-lg"
          onClick={toEnd}
        >
          <ArrowDown aria-hidden size={15} />
          {seen === view.last ? sessionTexts.toEnd : sessionTexts.newMessages}
        </Button>
      )}
    </div>
  );
}

function RowOf({ row, target }: { row: ScreenRow | undefined; target: string | undefined }): ReactNode {
  if (!row) return null;
  const isTarget = row.type === 'item' && row.item.kind === 'prompt' && row.item.turnId === target;
  return (
    <div className={isTarget ? 'rounded-lg ring-2 ring-accent' : undefined}>
      <ScreenRowView row={row} />
    </div>
  );
}
