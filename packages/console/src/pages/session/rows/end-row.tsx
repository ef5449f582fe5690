import { CircleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { formatCost, formatDuration } from '../../../format/format.ts';
import { sessionTexts } from '../../../text/session.ts';
import type { EndItem } from '../model/items.ts';
import { Words } from './prompt-row.tsx';
import { RowMenu } from './row-menu.tsx';

const texts = sessionTexts.end;

/** How a turn ended, how long it took and what it cost. */
export function EndRow({ item }: { item: EndItem }): ReactNode {
  const { outcome, result, error, reason, unsent } = item;
  const title =
    unsent !== undefined
      ? texts.unsent
      : outcome === 'interrupted' && reason !== undefined
        ? texts.interrupted[reason]
        : texts[outcome === 'failed' ? 'failed' : 'completed'];
  return (
    <div className="flex flex-col gap-2">
      {unsent !== undefined && (
        <div className="rounded-lg border border-dashed px-3 py-2 text-muted line-through">
          <Words message={unsent} />
        </div>
      )}
      {error && (
        <div role="note" className="flex items-start gap-2 rounded-md bg-bad-soft p-3 text-bad">
          <CircleAlert aria-hidden size={16} className="mt-0.5 shrink-0" />
          <span className="min-w-0">{error.message}</span>
        </div>
      )}
      <div className="group flex items-center gap-2 text-xs text-muted">
        <span className="h-px grow bg-line" />
        <span>{title}</span>
        {unsent === undefined && (
          <>
            <span>{formatDuration(result.duration_ms)}</span>
            <span>{texts.steps(result.num_turns)}</span>
            <span title={sessionTexts.cost.turn}>{formatCost(result.cost_usd)}</span>
          </>
        )}
        <RowMenu item={item} />
      </div>
    </div>
  );
}
