import { useQuery } from '@tanstack/react-query';
import { PERMISSION_MODES } from 'claude-agent-protocol/reasons';
import { ChevronDown } from 'lucide-react';
import type { ReactNode } from 'react';
import { client } from '../../api/client.ts';
import { formatCompact, formatCost } from '../../format/format.ts';
import { sessionTexts } from '../../text/session.ts';
import { Badge, type Tone } from '../../ui/badge.tsx';
import { Button } from '../../ui/button.tsx';
import { Menu } from '../../ui/menu.tsx';
import { useTitle } from '../../ui/page.tsx';
import { useToasts } from '../../ui/toasts.tsx';
import type { View } from './model/conversation.ts';
import type { SessionFacts } from './model/facts.ts';
import { useSessionPage } from './session-context.ts';

const TONES: Readonly<Record<SessionFacts['state'], Tone>> = {
  asleep: 'neutral',
  idle: 'neutral',
  running: 'info',
  waiting: 'warn',
  background: 'info',
  closed: 'neutral',
};

/** Which session it is, what it does, and what it works with. */
export function SessionHeader({ view }: { view: View }): ReactNode {
  const facts = view.session;
  const title = facts?.title ?? sessionTexts.untitled;
  useTitle(title);
  return (
    <header className="flex flex-wrap items-center gap-x-3 gap-y-1 border-b px-4 py-2">
      <div className="flex min-w-0 grow basis-60 items-center gap-2">
        <h1 className="truncate text-base font-semibold" title={facts?.cwd}>
          {title}
        </h1>
        {facts && <Badge tone={TONES[facts.state]}>{sessionTexts.states[facts.state]}</Badge>}
      </div>
      {facts && (
        <div className="flex flex-wrap items-center gap-1">
          <ModelMenu model={facts.model} />
          <ModeMenu mode={facts.mode} />
          <ContextMeter view={view} />
          <Cost />
        </div>
      )}
    </header>
  );
}

function ModelMenu({ model }: { model: string | null }): ReactNode {
  const { session, mayUse } = useSessionPage();
  const { fail } = useToasts();
  const offered = useQuery({ queryKey: ['models'], queryFn: () => client.choices.models({ limit: 200 }) });
  const names = [
    ...new Set([...(model === null ? [] : [model]), ...(offered.data?.models ?? []).map(({ id }) => id)]),
  ];
  return (
    <Menu
      label={sessionTexts.model.label}
      trigger={
        <Button
          look="ghost"
          disabled={!mayUse}
          className="max-w-52 px-2"
          aria-label={`${sessionTexts.model.label}: ${model ?? sessionTexts.model.none}`}
        >
          <span className="truncate">{model ?? sessionTexts.model.none}</span>
          <ChevronDown aria-hidden size={14} className="shrink-0" />
        </Button>
      }
      groups={[
        [
          {
            label: sessionTexts.model.none,
            checked: model === null,
            onSelect: () => void session.setModel(null).catch(fail),
          },
        ],
        names.map((name) => ({
          label: name,
          checked: name === model,
          onSelect: () => void session.setModel(name).catch(fail),
        })),
      ]}
    />
  );
}

function ModeMenu({ mode }: { mode: SessionFacts['mode'] }): ReactNode {
  const { session, mayUse } = useSessionPage();
  const { fail } = useToasts();
  const { label, names } = sessionTexts.mode;
  return (
    <Menu
      label={label}
      trigger={
        <Button look="ghost" disabled={!mayUse} className="px-2" aria-label={`${label}: ${names[mode]}`}>
          {names[mode]}
          <ChevronDown aria-hidden size={14} />
        </Button>
      }
      groups={[
        PERMISSION_MODES.map((each) => ({
          label: names[each],
          checked: each === mode,
          onSelect: () => void session.setMode(each).catch(fail),
        })),
      ]}
    />
  );
}

interface ContextAnswer {
  totalTokens: number;
  maxTokens: number;
}

function readContext(answer: unknown): ContextAnswer | undefined {
  const { totalTokens, maxTokens } = (answer ?? {}) as Record<string, unknown>;
  return typeof totalTokens === 'number' && typeof maxTokens === 'number' && maxTokens > 0
    ? { totalTokens, maxTokens }
    : undefined;
}

const percent = new Intl.NumberFormat(undefined, { style: 'percent' });

/** How full the model's context is. Asked when a turn is over, and only of an agent that is there: it is not woken for it. */
function ContextMeter({ view }: { view: View }): ReactNode {
  const { session } = useSessionPage();
  const isThere = view.session?.state === 'idle' || view.session?.state === 'background';
  const asked = useQuery({
    queryKey: ['session', session.id, 'context', view.ended.size],
    queryFn: async () => readContext(await session.context()) ?? null,
    enabled: isThere && view.ended.size > 0,
    placeholderData: (before) => before,
    retry: false,
  });
  if (!asked.data) return null;
  const { totalTokens, maxTokens } = asked.data;
  const share = Math.min(1, totalTokens / maxTokens);
  const words = sessionTexts.context.used(formatCompact(totalTokens), formatCompact(maxTokens));
  return (
    <span title={words} className="flex items-center gap-1.5 px-2 text-xs text-muted">
      <meter
        aria-label={sessionTexts.context.percent(percent.format(share))}
        min={0}
        max={1}
        high={0.8}
        value={share}
        className="h-2 w-14"
      />
      {percent.format(share)}
    </span>
  );
}

function Cost(): ReactNode {
  const { session } = useSessionPage();
  const usage = useQuery({ queryKey: ['session', session.id, 'usage'], queryFn: () => session.usage() });
  if (!usage.data) return null;
  return (
    <span title={sessionTexts.cost.session} className="px-2 text-xs text-muted tabular-nums">
      {formatCost(usage.data.cost_usd)}
    </span>
  );
}
