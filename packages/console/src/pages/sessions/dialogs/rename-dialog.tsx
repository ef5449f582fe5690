import { useMutation } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { client } from '../../../api/client.ts';
import { messageOf } from '../../../api/message-of.ts';
import { common } from '../../../text/common.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { Button } from '../../../ui/button.tsx';
import { Dialog } from '../../../ui/dialog.tsx';
import { TextField } from '../../../ui/field.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import { useListUpdates } from '../use-session-list.ts';
import type { SessionDialogProps } from './props.ts';

const texts = sessionsTexts.rename;

export function RenameDialog({ session, close }: SessionDialogProps): ReactNode {
  const form = useId();
  const { say } = useToasts();
  const { put } = useListUpdates();
  const [title, setTitle] = useState(session.title ?? '');
  const rename = useMutation({
    mutationFn: () =>
      client.session(session.session_id).update({ title: title.trim() === '' ? null : title }),
    onSuccess: (renamed) => {
      put(renamed);
      say(texts.done);
      close();
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    rename.mutate();
  };
  return (
    <Dialog
      open
      onOpenChange={close}
      title={texts.title}
      actions={
        <>
          <Button onClick={close}>{common.cancel}</Button>
          <Button type="submit" form={form} look="primary" busy={rename.isPending}>
            {texts.action}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit}>
        <TextField
          label={texts.label}
          value={title}
          maxLength={500}
          autoFocus
          onChange={(event) => setTitle(event.target.value)}
          error={rename.error ? messageOf(rename.error) : undefined}
        />
      </form>
    </Dialog>
  );
}
