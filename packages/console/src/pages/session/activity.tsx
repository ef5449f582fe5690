import { toolTitle } from 'claude-agent-client';
import { LoaderCircle } from 'lucide-react';
import { type ReactNode, useEffect, useState } from 'react';
import { formatDuration } from '../../format/format.ts';
import { sessionTexts } from '../../text/session.ts';
import type { View } from './model/conversation.ts';
import { activityOf } from './screen-rows.ts';

/** What the agent does, and for how long. */
export function Activity({ view }: { view: View }): ReactNode {
  const [now, setNow] = useState(Date.now);
  const isRunning = view.running !== undefined;
  useEffect(() => {
    if (!isRunning) return;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isRunning]);
  const elapsed = view.running ? Math.max(0, now - Date.parse(view.running.startedAt)) : 0;
  const tasks = view.tasks?.filter((task) => !task.ambient).length ?? 0;
  if (!view.running && tasks === 0) return null;
  return (
    <p className="flex items-center gap-2 text-muted">
      <LoaderCircle
        aria-hidden
        size={15}
        className="shrink-0 animate-spin text-accent motion-reduce:animate-none"
      />
      <span role="status">{view.running ? wordsOf(view) : sessionTexts.activity.background(tasks)}</span>
      {view.running && (
        <span className="text-xs tabular-nums">{formatDuration(Math.floor(elapsed / 1_000) * 1_000)}</span>
      )}
    </p>
  );
}

function wordsOf(view: View): string {
  const texts = sessionTexts.activity;
  const activity = activityOf(view);
  switch (activity.what) {
    case 'position':
      return texts.position(activity.place);
    case 'tool':
      return texts.tool(toolTitle(activity.name));
    case 'tools':
      return texts.tools(activity.count);
    default:
      return texts[activity.what];
  }
}
