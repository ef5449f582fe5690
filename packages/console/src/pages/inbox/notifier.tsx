import { useNavigate } from '@tanstack/react-router';
import type { EventData } from 'claude-agent-protocol';
import { useEffect, useEffectEvent } from 'react';
import { useLiveEvents } from '../../api/live-context.tsx';
import { useMe } from '../../api/me.ts';
import { renewPush, showNote, startWorker } from '../../api/push.ts';
import { notificationTexts as texts } from '../../text/notifications.ts';
import { wantsNotes } from './note-setting.ts';

/** Tells of new requests while the console is open and the reader looks elsewhere. Shows nothing itself. */
export function Notifier(): null {
  const navigate = useNavigate();
  const { may } = useMe();
  const mayAnswer = may('answer');
  useEffect(() => {
    void startWorker().then(() => (mayAnswer ? renewPush().catch(() => undefined) : undefined));
  }, [mayAnswer]);

  useLiveEvents((event) => {
    if (event.type !== 'permission.requested' || !document.hidden || !wantsNotes() || !mayAnswer) return;
    const {
      session_id: sessionId,
      request_id,
      tool_name,
      title,
    } = event.data as EventData<'permission.requested'>;
    const path = `inbox/${sessionId}/${encodeURIComponent(request_id)}`;
    // All tabs say the same; under one name it is one note.
    void showNote(title ?? texts.untitled, { body: texts.waits(tool_name), tag: request_id, path });
  });

  const onOpen = useEffectEvent((path: string) => {
    const [, sessionId, requestId] = path.split('/');
    if (sessionId === undefined || requestId === undefined) return void navigate({ to: '/inbox' });
    void navigate({
      to: '/inbox/$sessionId/$requestId',
      params: { sessionId, requestId: decodeURIComponent(requestId) },
    });
  });
  useEffect(() => {
    if (!('serviceWorker' in navigator)) return;
    const { serviceWorker } = navigator;
    const listen = ({ data }: MessageEvent<{ open?: unknown }>): void => {
      if (typeof data.open === 'string') onOpen(data.open);
    };
    serviceWorker.addEventListener('message', listen);
    return () => serviceWorker.removeEventListener('message', listen);
  }, []);
  return null;
}
