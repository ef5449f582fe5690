import { type ReactNode, Suspense } from 'react';
import { loadLater } from '../../api/load-later.ts';

const Markdown = loadLater(() => import('../../ui/markdown/markdown.tsx'));

/** Markdown of an agent; plain until its reader is loaded. */
export function RichText({ text }: { text: string }): ReactNode {
  return (
    <Suspense fallback={<p className="whitespace-pre-wrap">{text}</p>}>
      <Markdown text={text} />
    </Suspense>
  );
}
