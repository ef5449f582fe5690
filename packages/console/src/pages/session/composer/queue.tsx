import { Pencil, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { IconButton } from '../../../ui/button.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import type { QueuedMessage } from '../model/facts.ts';
import { wordsOf } from '../rows/words.ts';
import { useSessionPage } from '../session-context.ts';
import { contentOf } from './attachments.ts';

const texts = sessionTexts.queue;

/** Messages that wait for their turn, in the order in which they will be sent. */
export function Queue({
  queue,
  onEdit,
}: {
  queue: readonly QueuedMessage[];
  onEdit(content: NonNullable<ReturnType<typeof contentOf>>): void;
}): ReactNode {
  const { session, mayUse } = useSessionPage();
  const { fail } = useToasts();
  if (queue.length === 0) return null;
  const takeBack = async (
    { turnId }: QueuedMessage,
    content?: ReturnType<typeof contentOf>,
  ): Promise<void> => {
    try {
      await session.cancel(turnId);
      if (content) onEdit(content);
    } catch (problem) {
      // It may just have begun.
      fail(problem);
    }
  };
  return (
    <section aria-label={texts.label} className="rounded-lg border bg-sunken p-2">
      <h2 className="px-1 text-xs text-muted">{texts.waits(queue.length)}</h2>
      <ol className="max-h-40 overflow-y-auto">
        {queue.map((message) => {
          const content = contentOf(message.message, sessionTexts.image, Date.parse(message.at));
          return (
            <li key={message.turnId} className="flex items-center gap-1 pl-1">
              <span className="min-w-0 grow truncate">{wordsOf(message.message)}</span>
              {message.steers !== undefined && (
                <span className="shrink-0 text-xs text-muted">{texts.steering}</span>
              )}
              {mayUse && (
                <>
                  {content && (
                    <IconButton
                      label={texts.edit}
                      icon={<Pencil aria-hidden size={14} />}
                      onClick={() => void takeBack(message, content)}
                    />
                  )}
                  <IconButton
                    label={texts.withdraw}
                    icon={<X aria-hidden size={14} />}
                    onClick={() => void takeBack(message)}
                  />
                </>
              )}
            </li>
          );
        })}
      </ol>
    </section>
  );
}
