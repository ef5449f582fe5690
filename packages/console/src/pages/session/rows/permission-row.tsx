import { ShieldAlert, ShieldCheck, ShieldX } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { Button } from '../../../ui/button.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import type { PermissionItem } from '../model/items.ts';
import { useSessionPage } from '../session-context.ts';
import { toolArgument, toolTitle } from '../tools/describe.ts';
import { RowMenu } from './row-menu.tsx';

const texts = sessionTexts.permission;

/** A request in its place in the conversation: to answer while it waits, and afterwards how it was answered. */
export function PermissionRow({ item }: { item: PermissionItem }): ReactNode {
  if (item.resolution === undefined) return <PendingRequest item={item} />;
  const { state, message } = item.resolution;
  const Icon = state === 'allowed' ? ShieldCheck : ShieldX;
  return (
    <div className="group flex items-start gap-2 text-xs text-muted">
      <Icon aria-hidden size={15} className="mt-0.5 shrink-0" />
      <span className="min-w-0 grow">
        {texts.states[state]}: {toolTitle(item.request.tool_name)}
        {message !== null && ` (${message})`}
      </span>
      <RowMenu item={item} />
    </div>
  );
}

function PendingRequest({ item }: { item: PermissionItem }): ReactNode {
  const { session, mayAnswer } = useSessionPage();
  const { fail } = useToasts();
  const [isSending, setSending] = useState(false);
  const { request } = item;
  const answer = (allowed: boolean): void => {
    setSending(true);
    session
      .respond({ request_id: request.request_id, allowed })
      .catch(fail)
      .finally(() => setSending(false));
  };
  return (
    <article
      aria-label={texts.waits}
      className="flex flex-col gap-2 rounded-lg border-2 border-accent bg-raised p-3"
    >
      <p className="flex items-center gap-2 font-medium">
        <ShieldAlert aria-hidden size={16} className="text-accent" />
        {request.title ?? `${texts.waits}: ${toolTitle(request.tool_name)}`}
      </p>
      <p className="font-mono text-xs">{toolArgument(request.tool_name, request.tool_input)}</p>
      {mayAnswer && (
        <div className="flex gap-2">
          <Button look="primary" busy={isSending} onClick={() => answer(true)}>
            {texts.allow}
          </Button>
          <Button busy={isSending} onClick={() => answer(false)}>
            {texts.deny}
          </Button>
        </div>
      )}
    </article>
  );
}
