import { type ReactNode, useId } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { FoldMark } from '../fold-mark.tsx';
import { RichText } from '../rich-text.tsx';
import { useFold } from '../session-context.ts';

/** What the model thinks before it speaks: folded, with its last words in sight while it does. */
export function Thinking({
  foldKey,
  text,
  isOpen: isBeingWritten,
  menu,
}: {
  foldKey: string;
  text: string;
  isOpen: boolean;
  menu?: ReactNode;
}): ReactNode {
  const [isUnfolded, setUnfolded] = useFold(foldKey, false);
  const id = useId();
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  return (
    <div className="text-muted">
      <div className="group flex items-center">
        <button
          type="button"
          aria-expanded={isUnfolded}
          aria-controls={id}
          onClick={() => setUnfolded(!isUnfolded)}
          className="tap flex min-h-6 min-w-0 grow items-center gap-1.5 text-left italic"
        >
          <FoldMark isOpen={isUnfolded} />
          <span className="shrink-0">
            {isBeingWritten ? sessionTexts.thinking.open : sessionTexts.thinking.done}
          </span>
          {isBeingWritten && !isUnfolded && <span className="truncate not-italic">{last}</span>}
        </button>
        {menu}
      </div>
      <div id={id} hidden={!isUnfolded} className="border-l-2 pl-3">
        {isUnfolded && <RichText text={text} />}
      </div>
    </div>
  );
}
