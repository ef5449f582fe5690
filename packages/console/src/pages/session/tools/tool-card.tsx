import { isInBackground, toolTitle } from 'claude-agent-client';
import {
  Bot,
  CircleAlert,
  CircleCheck,
  CircleHelp,
  CircleSlash,
  FilePen,
  FileText,
  Globe,
  ListTodo,
  LoaderCircle,
  Map as MapIcon,
  Search,
  SquareTerminal,
  Wrench,
} from 'lucide-react';
import { type ReactNode, useId } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { classNames } from '../../../ui/class-names.ts';
import { FoldMark } from '../fold-mark.tsx';
import type { ToolItem } from '../model/items.ts';
import { RowMenu } from '../rows/row-menu.tsx';
import { useFold, useSessionPage } from '../session-context.ts';
import { argumentLine, shortPath, type ToolKind, toolKind } from './describe.ts';
import { ToolBody } from './tool-body.tsx';

const ICONS: Readonly<Record<ToolKind, typeof Bot>> = {
  command: SquareTerminal,
  change: FilePen,
  read: FileText,
  search: Search,
  web: Globe,
  todo: ListTodo,
  subagent: Bot,
  plan: MapIcon,
  question: CircleHelp,
  other: Wrench,
};
/** Cards whose content is what a reader came for. */
const OPEN_AT_FIRST: ReadonlySet<ToolKind> = new Set([
  'command',
  'change',
  'todo',
  'subagent',
  'plan',
  'question',
]);
const texts = sessionTexts.tool;

/** One call of a tool: what it does on one line, and its input and result below. */
export function ToolCard({ call }: { call: ToolItem }): ReactNode {
  const { cwd, children } = useSessionPage();
  const kind = toolKind(call.name);
  const Icon = ICONS[kind];
  const failed = call.result?.isError === true;
  const [isOpen, setOpen] = useFold(call.key, OPEN_AT_FIRST.has(kind));
  const id = useId();
  const steps = children.get(call.id)?.filter((item) => item.kind === 'tool').length ?? 0;
  return (
    <article className="overflow-hidden rounded-md border bg-raised" aria-label={toolTitle(call.name)}>
      <div className={classNames('group flex items-center bg-sunken pr-1', isOpen && 'border-b')}>
        <button
          type="button"
          aria-expanded={isOpen}
          aria-controls={id}
          onClick={() => setOpen(!isOpen)}
          className="tap flex min-h-8 min-w-0 grow items-center gap-2 px-2 text-left"
        >
          <FoldMark isOpen={isOpen} className="text-muted" />
          <Icon aria-hidden size={15} className="shrink-0 text-muted" />
          <span className="shrink-0 font-medium">{toolTitle(call.name)}</span>
          <span className="min-w-0 truncate font-mono text-xs text-muted">
            {shortPath(argumentLine(call.name, call.input), cwd)}
          </span>
          {steps > 0 && <span className="shrink-0 text-xs text-muted">{texts.steps(steps)}</span>}
          <span className="grow" />
          <Status call={call} failed={failed} />
        </button>
        <RowMenu item={call} />
      </div>
      <div id={id} hidden={!isOpen}>
        {isOpen && <ToolBody call={call} />}
      </div>
    </article>
  );
}

function Status({ call, failed }: { call: ToolItem; failed: boolean }): ReactNode {
  const { ended } = useSessionPage();
  if (call.result === undefined) {
    // The past of a conversation that was made elsewhere has no turns here.
    return call.turnId === null || ended.has(call.turnId) ? (
      <CircleSlash size={15} role="img" aria-label={texts.noResult} className="shrink-0 text-muted" />
    ) : (
      <LoaderCircle
        size={15}
        role="img"
        aria-label={texts.running}
        className="shrink-0 animate-spin text-accent motion-reduce:animate-none"
      />
    );
  }
  if (isInBackground(call.result.details))
    return <span className="shrink-0 text-xs text-muted">{texts.inBackground}</span>;
  return failed ? (
    <CircleAlert size={15} role="img" aria-label={texts.failed} className="shrink-0 text-bad" />
  ) : (
    <CircleCheck size={15} role="img" aria-label={texts.done} className="shrink-0 text-good" />
  );
}
