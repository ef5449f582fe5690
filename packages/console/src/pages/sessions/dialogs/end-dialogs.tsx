import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { client } from '../../../api/client.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { Confirm } from '../../../ui/dialog.tsx';
import { TextField } from '../../../ui/field.tsx';
import { FormDialog } from '../../../ui/form-dialog.tsx';
import { Failure } from '../../../ui/states.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import { titleOf } from '../list-state.ts';
import { useListUpdates } from '../use-session-list.ts';
import type { SessionDialogProps } from './props.ts';

/** Ends a session's agent; the session can be resumed. */
export function CloseDialog({ session, close }: SessionDialogProps): ReactNode {
  const texts = sessionsTexts.close;
  const { say } = useToasts();
  const { put } = useListUpdates();
  const end = useMutation({
    mutationFn: () => client.session(session.session_id).close(),
    onSuccess: () => {
      put({ ...session, state: 'closed', status: 'closed', tasks: [] });
      say(texts.done);
      close();
    },
  });
  return (
    <Confirm
      open
      onOpenChange={close}
      title={texts.title}
      action={texts.action}
      busy={end.isPending}
      onConfirm={() => end.mutate()}
    >
      <p className="font-medium">{titleOf(session)}</p>
      <p className="text-muted">{texts.text}</p>
      {end.error && <Failure problem={end.error} />}
    </Confirm>
  );
}

/** Removes a session for good, after a word was typed. */
export function EraseDialog({ session, close }: SessionDialogProps): ReactNode {
  const texts = sessionsTexts.erase;
  const { say } = useToasts();
  const { remove } = useListUpdates();
  const [typed, setTyped] = useState('');
  const isSure = typed.trim().toLowerCase() === texts.word;
  const erase = useMutation({
    mutationFn: () => client.session(session.session_id).erase(),
    onSuccess: () => {
      remove(session.session_id);
      say(texts.done);
      close();
    },
  });
  return (
    <FormDialog
      title={texts.title}
      description={texts.text}
      action={texts.action}
      look="danger"
      disabled={!isSure}
      busy={erase.isPending}
      onSubmit={() => erase.mutate()}
      onClose={close}
    >
      <p className="font-medium">{titleOf(session)}</p>
      <TextField
        label={texts.label(texts.word)}
        value={typed}
        autoFocus
        autoComplete="off"
        autoCapitalize="none"
        onChange={(event) => setTyped(event.target.value)}
      />
      {erase.error && <Failure problem={erase.error} />}
    </FormDialog>
  );
}
