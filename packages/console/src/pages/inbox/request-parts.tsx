import type { ReactNode } from 'react';
import { inboxTexts as texts } from '../../text/inbox.ts';
import { type Part, partsOf } from './subject.ts';

/** What a tool call would do: its command, change, file, address or input. */
export function RequestParts({ tool, input }: { tool: string; input: Record<string, unknown> }): ReactNode {
  return partsOf(tool, input).map((part, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a request do not change
    <PartView key={index} part={part} />
  ));
}

function PartView({ part }: { part: Part }): ReactNode {
  switch (part.kind) {
    case 'note':
      return <p className="text-muted">{part.text}</p>;
    case 'line':
      return (
        <p>
          <span className="text-muted">{part.label}: </span>
          <span className="font-mono text-xs">{part.text}</span>
        </p>
      );
    case 'code':
      return <CodeText label={part.label} text={part.text} />;
    case 'change':
      return (
        <figure className="overflow-hidden rounded-md border">
          <figcaption className="border-b bg-sunken px-3 py-1 font-mono text-xs">{part.file}</figcaption>
          {part.before !== '' && (
            <CodeText label={texts.fields.before} text={part.before} sign="-" tone="bg-bad-soft" />
          )}
          {part.after !== '' && (
            <CodeText label={texts.fields.after} text={part.after} sign="+" tone="bg-good-soft" />
          )}
        </figure>
      );
  }
}

/** Text as it is; long ones scroll, with the keyboard too. */
export function CodeText({
  label,
  text,
  sign,
  tone = 'rounded-md border bg-sunken',
}: {
  label: string;
  text: string;
  sign?: string;
  tone?: string;
}): ReactNode {
  const shown =
    sign === undefined
      ? text
      : text
          .replace(/\n$/, '')
          .split('\n')
          .map((line) => `${sign} ${line}`)
          .join('\n');
  return (
    // biome-ignore lint/a11y/useSemanticElements: no fields are grouped, and a section would be one landmark more
    <div
      role="group"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: long texts are scrolled with the keyboard
      tabIndex={0}
      className={`max-h-96 overflow-auto ${tone}`}
    >
      <pre className="w-max min-w-full px-3 py-2 font-mono text-xs leading-5">{shown}</pre>
    </div>
  );
}
