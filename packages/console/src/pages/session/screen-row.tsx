import { toolTitle } from 'claude-agent-client';
import { LoaderCircle } from 'lucide-react';
import { memo, type ReactNode } from 'react';
import { sessionTexts } from '../../text/session.ts';
import type { OpenBlock } from './model/items.ts';
import { RichText } from './rich-text.tsx';
import { Thinking } from './rows/thinking.tsx';
import type { ScreenRow } from './screen-rows.ts';
import { useSessionPage } from './session-context.ts';
import { partialArgument } from './tools/describe.ts';

export function ScreenRowView({ row }: { row: ScreenRow }): ReactNode {
  const { row: draw } = useSessionPage();
  return row.type === 'item' ? draw(row.item) : <OpenRow block={row.block} />;
}

/** A block while it is being written. */
const OpenRow = memo(function OpenRow({ block }: { block: OpenBlock }): ReactNode {
  if (block.type.endsWith('thinking')) return <Thinking foldKey={block.key} text={block.text} isOpen />;
  if (block.type === 'text') return <RichText text={block.text} />;
  const name = block.toolName ?? '';
  return (
    <div className="flex items-center gap-2 rounded-md border border-dashed bg-sunken px-2 py-1.5 text-muted">
      <LoaderCircle aria-hidden size={15} className="shrink-0 animate-spin motion-reduce:animate-none" />
      <span className="shrink-0">{sessionTexts.tool.preparing(toolTitle(name))}</span>
      <span className="truncate font-mono text-xs">{partialArgument(name, block.text)}</span>
    </div>
  );
});
