import { type ReactNode, useEffect, useState } from 'react';
import { formatAgo, formatDateTime } from '../format/format.ts';

const REFRESHED_MS = 15_000;

/** How long ago something was, kept up to date; the whole time shows when the pointer rests on it. */
export function Ago({ at }: { at: string }): ReactNode {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), REFRESHED_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={at} title={formatDateTime(at)} className="whitespace-nowrap">
      {formatAgo(at, Math.max(now, Date.now()))}
    </time>
  );
}
