import { Fragment, type ReactNode, useState } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { Button } from '../../../ui/button.tsx';
import type { ToolItem } from '../model/items.ts';
import { RichText } from '../rich-text.tsx';
import { useSessionPage } from '../session-context.ts';

const texts = sessionTexts.tool;
/** Steps that are shown of a subagent, the newest ones; it may have hundreds. */
const SHOWN_STEPS = 20;

/** A subagent: what it was asked, what it said and did, and its report. */
export function SubagentBody({ call, report }: { call: ToolItem; report: string }): ReactNode {
  const { children, row } = useSessionPage();
  const [isWhole, setWhole] = useState(false);
  const steps = children.get(call.id) ?? [];
  const shown = isWhole ? steps : steps.slice(-SHOWN_STEPS);
  const { prompt } = call.input;
  return (
    <div className="flex flex-col gap-3 p-3">
      {typeof prompt === 'string' && (
        <details>
          <summary className="text-muted">{texts.task}</summary>
          <p className="mt-1 whitespace-pre-wrap">{prompt}</p>
        </details>
      )}
      {shown.length < steps.length && (
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
