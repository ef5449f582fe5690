import { CircleAlert, LoaderCircle } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { messageOf } from '../api/message-of.ts';
import { common } from '../text/common.ts';
import { Button } from './button.tsx';

/** Shorter waits show nothing: a picture that flashes disturbs more than it tells. */
const SHOWN_AFTER_MS = 200;

/** Something is on its way. */
export function Loading({ label = common.loading }: { label?: string }): ReactNode {
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), SHOWN_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="status" className="flex items-center justify-center gap-2 p-8 text-muted">
      {isShown && (
        <>
          <LoaderCircle aria-hidden size={18} className="animate-spin motion-reduce:animate-none" />
          {label}
        </>
      )}
    </div>
  );
}

interface EmptyProps {
  title: string;
  /** What to do about it. */
  children?: ReactNode;
}

/** There is nothing, and that is no mistake. */
export function Empty({ title, children }: EmptyProps): ReactNode {
  return (
    <div className="mx-auto flex max-w-md flex-col items-center gap-3 px-4 py-12 text-center text-muted">
      <p className="text-base font-medium text-ink">{title}</p>
      {children}
    </div>
  );
}

/** Something failed: the server's own sentence, and another try where one may help. */
export function Failure({ problem, retry }: { problem: unknown; retry?: () => void }): ReactNode {
  return (
    <div
      role="alert"
      className="mx-auto my-4 flex max-w-xl items-start gap-3 rounded-lg border border-line bg-bad-soft p-3 text-bad"
    >
      <CircleAlert aria-hidden size={18} className="mt-0.5 shrink-0" />
      <div className="min-w-0 grow">{messageOf(problem)}</div>
      {retry && <Button onClick={retry}>{common.retry}</Button>}
    </div>
  );
}
