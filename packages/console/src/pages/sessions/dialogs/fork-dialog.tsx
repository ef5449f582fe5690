import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { client } from '../../../api/client.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { SelectField, TextField } from '../../../ui/field.tsx';
import { FormDialog } from '../../../ui/form-dialog.tsx';
import { Failure } from '../../../ui/states.tsx';
import { choicesQuery } from './history.ts';
import type { SessionDialogProps } from './props.ts';

const texts = sessionsTexts.fork;

/** Branches the conversation into a new session, whole or up to a message. */
export function ForkDialog({ session, close }: SessionDialogProps): ReactNode {
  const navigate = useNavigate();
  const [title, setTitle] = useState(session.title ?? '');
  const [upTo, setUpTo] = useState('');
  const choices = useQuery(choicesQuery(session.session_id));
  const fork = useMutation({
    mutationFn: () =>
      client.session(session.session_id).fork({
        ...(title.trim() !== '' && { title: title.trim() }),
        ...(upTo !== '' && { up_to_message_id: upTo }),
      }),
    onSuccess: ({ id }) => navigate({ to: '/sessions/$sessionId', params: { sessionId: id } }),
  });
  return (
    <FormDialog
      title={texts.title}
      description={texts.text}
      action={texts.action}
      busy={fork.isPending}
      onSubmit={() => fork.mutate()}
      onClose={close}
    >
      <TextField
        label={texts.label}
        value={title}
        maxLength={500}
        autoFocus
        onChange={(event) => setTitle(event.target.value)}
      />
      <SelectField label={texts.upTo} value={upTo} onChange={(event) => setUpTo(event.target.value)}>
        <option value="">{texts.whole}</option>
        {choices.data?.map(({ id, isUser, text }) => (
          <option key={id} value={id}>
            {texts.until(isUser, text)}
          </option>
        ))}
      </SelectField>
      {fork.error && <Failure problem={fork.error} />}
    </FormDialog>
  );
}
