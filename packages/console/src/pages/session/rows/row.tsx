import { memo, type ReactNode } from 'react';
import type { Item } from '../model/items.ts';
import { RichText } from '../rich-text.tsx';
import { ToolCard } from '../tools/tool-card.tsx';
import { EndRow } from './end-row.tsx';
import { NoticeRow } from './notice-row.tsx';
import { PermissionRow } from './permission-row.tsx';
import { PromptRow } from './prompt-row.tsx';
import { RowMenu } from './row-menu.tsx';
import { Thinking } from './thinking.tsx';

/** One row of the conversation. Items never change, so a row is drawn again only when there is news of it. */
export const Row = memo(function Row({ item }: { item: Item }): ReactNode {
  switch (item.kind) {
    case 'prompt':
      return <PromptRow item={item} />;
    case 'text':
      return (
        <div className="group flex items-start gap-1">
          <div className="min-w-0 grow">
            <RichText text={item.text} />
          </div>
          <RowMenu item={item} />
        </div>
      );
    case 'thinking':
      return <Thinking foldKey={item.key} text={item.text} isOpen={false} menu={<RowMenu item={item} />} />;
    case 'tool':
      return <ToolCard call={item} />;
    case 'permission':
      return <PermissionRow item={item} />;
    case 'end':
      return <EndRow item={item} />;
    case 'notice':
      return <NoticeRow item={item} />;
  }
});
