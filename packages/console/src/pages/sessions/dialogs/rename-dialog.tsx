import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { client } from '../../../api/client.ts';
import { messageOf } from '../../../api/message-of.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { TextField } from '../../../ui/field.tsx';
import { FormDialog } from '../../../ui/form-dialog.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import { useListUpdates } from '../use-session-list.ts';
import type { SessionDialogProps } from './props.ts';

const texts = sessionsTexts.rename;

export function RenameDialog({ session, close }: SessionDialogProps): ReactNode {
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
  return (
    <FormDialog
      title={texts.title}
      action={texts.action}
      busy={rename.isPending}
      onSubmit={() => rename.mutate()}
      onClose={close}
    >
      <TextField
        label={texts.label}
        value={title}
        maxLength={500}
        autoFocus
        onChange={(event) => setTitle(event.target.value)}
        error={rename.error ? messageOf(rename.error) : undefined}
      />
    </FormDialog>
  );
}
