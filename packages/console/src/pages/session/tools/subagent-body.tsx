import { isInBackground } from 'claude-agent-client';
import { Fragment, type ReactNode, useState } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { Button } from '../../../ui/button.tsx';
import { FoldMark } from '../fold-mark.tsx';
import type { ToolItem } from '../model/items.ts';
import { RichText } from '../rich-text.tsx';
import { useSessionPage } from '../session-context.ts';

const texts = sessionTexts.tool;
/** Steps that are shown of a subagent, the newest ones; it may have hundreds. */
const SHOWN_STEPS = 20;

/** A subagent: what it was asked, what it said and did, and its report. */
export function SubagentBody({ call, report }: { call: ToolItem; report: string }): ReactNode {
  const { children, row, ended, folds } = useSessionPage();
  const [isWhole, setWhole] = useState(false);
  const [isTask, setTask] = useState(false);
  // Of a subagent that is done the report is wanted: of ten of them, ten reports on a screen.
  const hasReported = call.result !== undefined && !isInBackground(call.result.details);
  const isDone = hasReported || (call.turnId !== null && ended.has(call.turnId));
  const fold = `${call.key} steps`;
  const [areShown, setShown] = useState(folds.get(fold));
  const steps = children.get(call.id) ?? [];
  const isFolded = areShown === undefined ? isDone : !areShown;
  const shown = isFolded ? [] : isWhole ? steps : steps.slice(-SHOWN_STEPS);
  const { prompt } = call.input;
  return (
    <div className="flex flex-col gap-2 p-3">
      {typeof prompt === 'string' && (
        <Part label={texts.task} isOpen={isTask} onToggle={() => setTask(!isTask)} />
      )}
      {isTask && typeof prompt === 'string' && <p className="pl-5 whitespace-pre-wrap">{prompt}</p>}
      {isDone && steps.length > 0 && (
        <Part
          label={texts.did}
          isOpen={!isFolded}
          onToggle={() => {
            folds.set(fold, isFolded);
            setShown(isFolded);
          }}
        />
      )}
      {!isFolded && shown.length < steps.length && (
        <Button look="ghost" className="self-start" onClick={() => setWhole(true)}>
          {texts.earlierSteps(steps.length - shown.length)}
        </Button>
      )}
      {shown.length > 0 && (
        <div className="flex flex-col gap-3 border-l-2 pl-3">
          {shown.map((item) => (
            <Fragment key={item.key}>{row(item)}</Fragment>
          ))}
        </div>
      )}
      {report.trim() !== '' && (
        <figure aria-label={texts.report} className="border-t pt-3">
          <RichText text={report} />
        </figure>
      )}
    </div>
  );
}

/** The line of a part that unfolds. */
function Part({ label, isOpen, onToggle }: { label: string; isOpen: boolean; onToggle(): void }): ReactNode {
  return (
    <button
      type="button"
      aria-expanded={isOpen}
      onClick={onToggle}
      className="tap flex min-h-6 items-center gap-1.5 self-start text-muted"
    >
      <FoldMark isOpen={isOpen} />
      {label}
    </button>
  );
}
