import { Info } from 'lucide-react';
import type { ReactNode } from 'react';
import { formatNumber } from '../../../format/format.ts';
import { sessionTexts } from '../../../text/session.ts';
import type { Notice, NoticeItem } from '../model/items.ts';
import { RichText } from '../rich-text.tsx';
import { RowMenu } from './row-menu.tsx';

const texts = sessionTexts.notices;

/** News of the session between what is said in it. */
export function NoticeRow({ item }: { item: NoticeItem }): ReactNode {
  const { notice } = item;
  if (notice.type === 'command_output') return <RichText text={notice.text} />;
  return (
    <div className="group flex items-start gap-2 text-muted">
      <Info aria-hidden size={15} className="mt-0.5 shrink-0" />
      <span className="min-w-0 grow">{wordsOf(notice)}</span>
      <RowMenu item={item} />
    </div>
  );
}

function wordsOf(notice: Exclude<Notice, { type: 'command_output' }>): string {
  switch (notice.type) {
    case 'continued':
      return texts.continued[notice.reason === 'agent_died' ? 'agent_died' : 'server_restarted'];
    case 'conversation':
      return notice.trigger === 'transcript_lost' ? texts.transcriptLost : texts.conversation;
    case 'workspace': {
      const words = notice.action === 'restored' ? texts.workspaceRestored : texts.workspaceNotSaved;
      return notice.problem === undefined ? words : `${words} ${notice.problem}`;
    }
    case 'api_retry':
      return texts.retry(formatNumber(notice.attempt), formatNumber(notice.most));
    default:
      return texts[notice.type];
  }
}
