import type { ReactNode } from 'react';
import { codeTexts } from '../../text/code.ts';
import { CopyButton } from '../copy-button.tsx';
import type { ColouredText } from './highlight.ts';
import { useHighlight } from './use-highlight.ts';

/** Code with its language and a button to copy it. */
export function CodeBlock({ code, language }: { code: string; language: string }): ReactNode {
  return (
    <div className="overflow-hidden rounded-md border bg-raised">
      <div className="flex items-center justify-between border-b bg-sunken pl-3 text-xs text-muted">
        <span className="font-mono">{language || codeTexts.plain}</span>
        <CopyButton text={code} label={codeTexts.copy} />
      </div>
      <Code code={code} language={language} label={language || codeTexts.code} />
    </div>
  );
}

/** Code that scrolls sideways, with the keyboard too. */
export function Code({
  code,
  language,
  label,
}: {
  code: string;
  /** A language, or the name of a file. */
  language: string;
  label: string;
}): ReactNode {
  const lines = useHighlight(code, language);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled with the keyboard
    <figure aria-label={label} tabIndex={0} className="max-h-[32rem] overflow-auto">
      <pre className="w-max min-w-full p-3 font-mono text-[12.5px] leading-5">
        {lines === undefined
          ? code
          : lines.map((line, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name
              <span key={index}>
                <ColouredLine line={line} />
                {'\n'}
              </span>
            ))}
      </pre>
    </figure>
  );
}

export function ColouredLine({ line }: { line: readonly ColouredText[] }): ReactNode {
  return line.map(({ text, color }, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: pieces have no other name
    <span key={index} style={{ color }}>
      {text}
    </span>
  ));
}
