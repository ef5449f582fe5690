import { type ReactNode, Suspense } from 'react';
import { loadLater } from '../../api/load-later.ts';
import { inboxTexts as texts } from '../../text/inbox.ts';
import { ColouredLine } from '../../ui/code/code-block.tsx';
import { useHighlight } from '../../ui/code/use-highlight.ts';
import { Loading } from '../../ui/states.tsx';
import { type Part, partsOf } from './subject.ts';

const Change = loadLater(() => import('./change.tsx'));
const Markdown = loadLater(() => import('../../ui/markdown/markdown.tsx'));

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
      return <CodeText label={part.label} text={part.text} language={part.language} />;
    case 'change':
      return (
        <figure className="overflow-hidden rounded-md border">
          <figcaption className="border-b bg-sunken px-3 py-1 font-mono text-xs">{part.file}</figcaption>
          <Suspense fallback={<Loading />}>
            <Change file={part.file} before={part.before} after={part.after} />
          </Suspense>
        </figure>
      );
  }
}

/** Text as it is, coloured when its language is known; long ones scroll, with the keyboard too. */
function CodeText({ label, text, language }: { label: string; text: string; language: string }): ReactNode {
  const lines = useHighlight(text, language);
  return (
    <Scrolling label={label}>
      <pre className="w-max min-w-full font-mono text-xs leading-5">
        {lines === undefined
          ? text
          : lines.map((line, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name
              <span key={index}>
                <ColouredLine line={line} />
                {index < lines.length - 1 && '\n'}
              </span>
            ))}
      </pre>
    </Scrolling>
  );
}

/** The plan of an agent. */
export function Plan({ text }: { text: string }): ReactNode {
  return (
    <Scrolling label={texts.fields.plan}>
      <Suspense fallback={<Loading />}>
        <Markdown text={text} />
      </Suspense>
    </Scrolling>
  );
}

function Scrolling({ label, children }: { label: string; children: ReactNode }): ReactNode {
  return (
    // biome-ignore lint/a11y/useSemanticElements: no fields are grouped, and a section would be one landmark more
    <div
      role="group"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: long texts are scrolled with the keyboard
      tabIndex={0}
      className="max-h-96 overflow-auto rounded-md border bg-sunken px-3 py-2"
    >
      {children}
    </div>
  );
}
