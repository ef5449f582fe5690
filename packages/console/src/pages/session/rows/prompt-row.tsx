import type { UserInput } from 'claude-agent-protocol';
import type { ReactNode } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { Ago } from '../../../ui/ago.tsx';
import { imageOf } from '../model/agent-message.ts';
import type { PromptItem } from '../model/items.ts';
import { Picture } from '../picture.tsx';
import { RowMenu } from './row-menu.tsx';

/** What the agent was asked, or why it began by itself. */
export function PromptRow({ item }: { item: PromptItem }): ReactNode {
  const own = item.initiator === 'agent';
  return (
    <article
      id={item.turnId === null || item.steered ? undefined : `turn-${item.turnId}`}
      aria-label={own ? sessionTexts.agentBegan : sessionTexts.you}
      className="group rounded-lg border bg-sunken px-3 py-2"
    >
      <div className="flex items-center gap-2 text-xs text-muted">
        <span className="font-semibold text-ink">{own ? sessionTexts.agentBegan : sessionTexts.you}</span>
        {item.steered && <span>{sessionTexts.given}</span>}
        <span className="grow" />
        {item.at !== '' && <Ago at={item.at} />}
        <RowMenu item={item} />
      </div>
      <Words message={item.message} />
    </article>
  );
}

/** A message as it was typed: not as Markdown, which would change what was said. */
export function Words({ message }: { message: UserInput | undefined }): ReactNode {
  if (message === undefined) return <p className="text-muted italic">{sessionTexts.unknownMessage}</p>;
  if (typeof message === 'string') return <p className="whitespace-pre-wrap">{message}</p>;
  return message.map((block, index) => {
    const image = block.type === 'image' ? imageOf(block) : undefined;
    if (block.type === 'text')
      return (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks of a message keep their places
        <p key={index} className="whitespace-pre-wrap">
          {block.text}
        </p>
      );
    // biome-ignore lint/suspicious/noArrayIndexKey: blocks of a message keep their places
    if (image) return <Picture key={index} image={image} label={sessionTexts.image} />;
    // biome-ignore lint/suspicious/noArrayIndexKey: blocks of a message keep their places
    return <p key={index}>{sessionTexts.document}</p>;
  });
}
