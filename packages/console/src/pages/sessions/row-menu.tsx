import { endpoints, type Session } from 'claude-agent-client';
import { EllipsisVertical } from 'lucide-react';
import type { ReactNode } from 'react';
import { serverUrl } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { sessionsTexts } from '../../text/sessions.ts';
import { IconButton } from '../../ui/button.tsx';
import { Menu, type MenuItem } from '../../ui/menu.tsx';
import { useToasts } from '../../ui/toasts.tsx';
import type { RowActions, SessionDialog } from './actions.ts';
import { isBusy, titleOf } from './list-state.ts';
import { formatTag, tagsOf } from './search.ts';

const texts = sessionsTexts.menu;

/** All that can be done with a session and that the reader's role allows. */
export function RowMenu({ session, actions }: { session: Session; actions: RowActions }): ReactNode {
  const { may } = useMe();
  const { say, fail } = useToasts();
  const copyId = (): void => {
    navigator.clipboard.writeText(session.session_id).then(() => say(texts.copyId), fail);
  };
  const looking: MenuItem[] = [
    { label: texts.onlyFolder, onSelect: () => actions.filter({ cwd: session.cwd }) },
    ...tagsOf(session)
      .slice(0, 3)
      .map(([name, value]) => formatTag(name, value))
      .map((tag) => ({ label: texts.onlyTag(tag), onSelect: () => actions.filter({ tag }) })),
    { label: texts.copyId, onSelect: copyId },
  ];
  return (
    <Menu
      trigger={
        <IconButton label={texts.label(titleOf(session))} icon={<EllipsisVertical aria-hidden size={16} />} />
      }
      groups={may('use') ? [...changes(session, actions), looking, ends(session, actions)] : [looking]}
    />
  );
}

function changes(session: Session, actions: RowActions): MenuItem[][] {
  const opens = (dialog: SessionDialog) => () => actions.open(dialog, session);
  const isClosed = session.status === 'closed';
  const busy = isBusy(session);
  return [
    [
      ...(isClosed ? [{ label: texts.resume, onSelect: () => actions.resume(session) }] : []),
      { label: texts.rename, onSelect: opens('rename') },
      { label: texts.fork, onSelect: opens('fork') },
      ...(isClosed ? [] : [{ label: texts.rewind, disabled: busy, onSelect: opens('rewind') }]),
      { label: texts.export, disabled: busy, onSelect: () => exportSession(session.session_id) },
    ],
  ];
}

function ends(session: Session, actions: RowActions): MenuItem[] {
  const close = { label: texts.close, onSelect: () => actions.open('close', session) };
  return [
    ...(session.status === 'closed' ? [] : [close]),
    { label: texts.erase, danger: true, onSelect: () => actions.open('erase', session) },
  ];
}

/** The browser saves the answer as it comes: a session may be larger than the page's memory. */
function exportSession(sessionId: string): void {
  const link = document.createElement('a');
  link.href = new URL(
    endpoints.exportSession.path.slice(1).replace('{session_id}', encodeURIComponent(sessionId)),
    serverUrl,
  ).href;
  link.download = `${sessionId}.jsonl`;
  link.click();
}
