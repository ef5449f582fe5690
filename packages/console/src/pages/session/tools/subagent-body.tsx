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
  // Of a subagent that is done the report is wanted: of ten of them, ten reports on a screen.
  const isDone = call.result !== undefined || (call.turnId !== null && ended.has(call.turnId));
  const fold = `${call.key} steps`;
  const [areShown, setShown] = useState(folds.get(fold));
  const steps = children.get(call.id) ?? [];
  const isFolded = areShown === undefined ? isDone : !areShown;
  const shown = isFolded ? [] : isWhole ? steps : steps.slice(-SHOWN_STEPS);
  const { prompt } = call.input;
  return (
    <div className="flex flex-col gap-3 p-3">
      {typeof prompt === 'string' && (
        <details>
          <summary className="text-muted">{texts.task}</summary>
          <p className="mt-1 whitespace-pre-wrap">{prompt}</p>
        </details>
      )}
      {isDone && steps.length > 0 && (
        <Button
          look="ghost"
          className="-ml-2 gap-1 self-start px-2 text-muted"
          aria-expanded={!isFolded}
          onClick={() => {
            folds.set(fold, isFolded);
            setShown(isFolded);
          }}
        >
          <FoldMark isOpen={!isFolded} />
          {texts.did}
        </Button>
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
