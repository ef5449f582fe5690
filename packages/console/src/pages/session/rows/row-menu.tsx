import { Braces, Copy, Ellipsis, Link2 } from 'lucide-react';
import type { ReactNode } from 'react';
import { common } from '../../../text/common.ts';
import { sessionTexts } from '../../../text/session.ts';
import { IconButton } from '../../../ui/button.tsx';
import { Menu } from '../../../ui/menu.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import type { Item } from '../model/items.ts';
import { useSessionPage } from '../session-context.ts';

/** What can be done with a row: see the events behind it, copy a link to its turn. */
export function RowMenu({ item }: { item: Item }): ReactNode {
  const { showRaw, linkTo } = useSessionPage();
  const { say, fail } = useToasts();
  const { turnId, seq } = item;
  const copy = (words: string): void => {
    navigator.clipboard.writeText(words).then(() => say(common.copied), fail);
  };
  const text = item.kind === 'text' ? item.text : item.kind === 'prompt' ? item.message : undefined;
  const seqs = item.kind === 'tool' && item.result ? [seq, item.result.seq] : [seq];
  // The past of a conversation that was made elsewhere has no events.
  if (seq < 1) return null;
  return (
    // On a phone the button is larger than a line of text: it does not make its row higher.
    <span className="flex h-6 shrink-0 items-center opacity-0 group-hover:opacity-100 focus-within:opacity-100 has-data-[state=open]:opacity-100 pointer-coarse:opacity-100">
      <Menu
        label={sessionTexts.more}
        trigger={
          <IconButton
            label={sessionTexts.more}
            icon={<Ellipsis aria-hidden size={15} />}
            className="min-h-6 min-w-6 px-1 text-muted"
          />
        }
        groups={[
          [
            ...(typeof text === 'string'
              ? [
                  {
                    label: sessionTexts.copyText,
                    icon: <Copy aria-hidden size={15} />,
                    onSelect: () => copy(text),
                  },
                ]
              : []),
            {
              label: sessionTexts.raw.open,
              icon: <Braces aria-hidden size={15} />,
              onSelect: () => showRaw(seqs),
            },
            {
              label: sessionTexts.copyLink,
              icon: <Link2 aria-hidden size={15} />,
              disabled: turnId === null,
              onSelect: () => turnId !== null && copy(linkTo(turnId)),
            },
          ],
        ]}
      />
    </span>
  );
}
