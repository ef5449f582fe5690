import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { formatNumber } from '../../format/format.ts';
import { sessionsTexts } from '../../text/sessions.ts';
import { classNames } from '../../ui/class-names.ts';
import type { SessionsSearch, StateChoice } from './search.ts';

const texts = sessionsTexts.filters;
const CHOICES = ['open', 'waiting', 'running', 'idle', 'asleep', 'closed', 'all'] as const;
type Choice = (typeof CHOICES)[number];

/** Which sessions are shown, by what they do: one press to what waits for an answer, and how many there are. */
export function ShownChoice({
  search,
  onChange,
}: {
  search: SessionsSearch;
  onChange(change: { status: string | undefined; state: string | undefined }): void;
}): ReactNode {
  const chosen: Choice = search.state ?? search.status ?? 'open';
  const counts = useCounts(search);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset has a frame and a width of its own
    <div role="group" aria-label={texts.show} className="mr-2 flex shrink-0 gap-1">
      {CHOICES.map((choice) => (
        <button
          key={choice}
          type="button"
          aria-pressed={choice === chosen}
          onClick={() =>
            onChange({
              state: isState(choice) ? choice : undefined,
              status: choice === 'closed' || choice === 'all' ? choice : undefined,
            })
          }
          className={classNames(
            'tap inline-flex min-h-7 shrink-0 items-center justify-center gap-1.5 rounded-full border px-3 text-xs font-medium outline-offset-[-2px] hover:bg-hover',
            choice === chosen ? 'border-accent bg-accent-soft text-accent' : 'border-line text-muted',
          )}
        >
          {texts.shown[choice]} <Count count={counts?.[choice]} isUrgent={choice === 'waiting'} />
        </button>
      ))}
    </div>
  );
}

const isState = (choice: Choice): choice is StateChoice =>
  choice === 'waiting' || choice === 'running' || choice === 'idle' || choice === 'asleep';

function Count({ count = 0, isUrgent }: { count: number | undefined; isUrgent: boolean }): ReactNode {
  if (count === 0) return null;
  return (
    <span className={classNames('tabular-nums', isUrgent && 'rounded-full bg-warn-soft px-1.5 text-warn')}>
      {formatNumber(count)}
    </span>
  );
}

/** How many there are of each, if nothing else limits what is shown. Those at rest are not counted. */
function useCounts({ q, cwd, tag }: SessionsSearch): Partial<Record<Choice, number>> | undefined {
  const isLimited = q !== undefined || cwd !== undefined || tag !== undefined;
  const { data } = useQuery({
    queryKey: ['session-states'],
    queryFn: ({ signal }) => client.sessions.countStates({ signal }),
    enabled: !isLimited,
  });
  if (!data || isLimited) return undefined;
  return { waiting: data.waiting, running: data.running + data.background, idle: data.idle };
}
