import { type ReactNode, useId, useState } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { Button } from '../../../ui/button.tsx';
import { classNames } from '../../../ui/class-names.ts';

const texts = sessionTexts.tool;
/** Lines, and characters, of a result that are shown before a reader asks for more. */
const SHOWN_LINES = 16;
const SHOWN_CHARACTERS = 4_000;

/** A text that a program wrote: its beginning, and the rest when it is asked for. */
export function Output({
  label,
  text,
  bad = false,
}: {
  label: string;
  text: string;
  bad?: boolean;
}): ReactNode {
  const [isWhole, setWhole] = useState(false);
  const id = useId();
  const short = beginning(text);
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled with the keyboard */}
      <figure aria-label={label} tabIndex={0} className="max-h-[32rem] overflow-auto">
        <pre
          id={id}
          className={classNames(
            'w-max min-w-full p-3 font-mono text-[12.5px] leading-5',
            bad ? 'bg-bad-soft text-bad' : 'text-ink',
          )}
        >
          {isWhole ? text : short}
        </pre>
      </figure>
      {short.length < text.length && (
        <Button
          look="ghost"
          className="m-1"
          aria-expanded={isWhole}
          aria-controls={id}
          onClick={() => setWhole(!isWhole)}
        >
          {isWhole ? texts.collapse : texts.expand}
        </Button>
      )}
    </div>
  );
}

function beginning(text: string): string {
  let end = -1;
  for (let line = 0; line < SHOWN_LINES; line += 1) {
    end = text.indexOf('\n', end + 1);
    if (end === -1) return text.slice(0, SHOWN_CHARACTERS);
  }
  return text.slice(0, Math.min(end, SHOWN_CHARACTERS));
}
