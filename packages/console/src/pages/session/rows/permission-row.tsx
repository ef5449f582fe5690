import { toolTitle } from 'claude-agent-client';
import { ShieldCheck, ShieldX } from 'lucide-react';
import type { ReactNode } from 'react';
import { useMe } from '../../../api/me.ts';
import { useToasts } from '../../../ui/toasts.tsx';
import { RequestCard } from '../../inbox/request-card.tsx';
import { type Settlement, sentenceOf } from '../../inbox/settlement.ts';
import type { PermissionItem, Resolution } from '../model/items.ts';
import { useSessionPage } from '../session-context.ts';
import { RowMenu } from './row-menu.tsx';

/** A request in its place in the conversation: to answer while it waits, and afterwards who answered and how. */
export function PermissionRow({
  item: { request, resolution, ...item },
}: {
  item: PermissionItem;
}): ReactNode {
  const { session, mayAnswer } = useSessionPage();
  const { fail } = useToasts();
  const me = useMe();
  if (resolution === undefined) {
    return (
      <RequestCard
        request={request}
        mayAnswer={mayAnswer}
        // Another reader may have been quicker: the server says so.
        onAnswer={(answer) => session.respond({ request_id: request.request_id, ...answer }).catch(fail)}
      />
    );
  }
  const Icon = resolution.state === 'allowed' ? ShieldCheck : ShieldX;
  return (
    <div className="group flex items-start gap-2 text-xs text-muted">
      <Icon aria-hidden size={15} className="mt-0.5 shrink-0" />
      <span className="min-w-0 grow">
        {toolTitle(request.tool_name)}: {sentenceOf(request.kind, settlementOf(resolution), me)}
      </span>
      <RowMenu item={{ request, resolution, ...item }} />
    </div>
  );
}

const settlementOf = ({ state, reason, message, by }: Resolution): Settlement => ({
  state,
  reason,
  message,
  resolved_by: by,
  resolved_at: null,
});
