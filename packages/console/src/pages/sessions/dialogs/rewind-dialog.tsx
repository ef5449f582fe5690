import { useMutation, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { client } from '../../../api/client.ts';
import { common } from '../../../text/common.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { Button } from '../../../ui/button.tsx';
import { Dialog } from '../../../ui/dialog.tsx';
import { SelectField } from '../../../ui/field.tsx';
import { Failure, Loading } from '../../../ui/states.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import { choicesQuery } from './history.ts';
import type { SessionDialogProps } from './props.ts';

const texts = sessionsTexts.rewind;

/** Undoes changes of files back to a message, after a look at what would change. */
export function RewindDialog({ session, close }: SessionDialogProps): ReactNode {
  const { say } = useToasts();
  const [chosen, setChosen] = useState('');
  const handle = client.session(session.session_id);
  const choices = useQuery(choicesQuery(session.session_id));
  const messages = choices.data?.filter(({ isUser }) => isUser) ?? [];
  const preview = useQuery({
    queryKey: ['session', session.session_id, 'rewind', chosen],
    queryFn: () => handle.rewind(chosen, { dryRun: true }),
    enabled: chosen !== '',
    // Files change without the server.
    staleTime: 0,
    gcTime: 0,
  });
  const rewind = useMutation({
    mutationFn: () => handle.rewind(chosen),
    onSuccess: ({ can_rewind: done, files_changed: files }) => {
      if (!done) return;
      say(texts.done(files.length));
      close();
    },
  });
  const changes = preview.data?.can_rewind && preview.data.files_changed.length > 0;
  const refusal = rewind.data?.can_rewind === false ? rewind.data.error : undefined;
  return (
    <Dialog
      open
      onOpenChange={close}
      title={texts.title}
      description={texts.text}
      actions={
        <>
          <Button onClick={close}>{common.cancel}</Button>
          <Button look="primary" disabled={!changes} busy={rewind.isPending} onClick={() => rewind.mutate()}>
            {texts.action}
          </Button>
        </>
      }
    >
      {choices.isPending && <Loading />}
      {choices.error && <Failure problem={choices.error} retry={() => void choices.refetch()} />}
      {choices.data && messages.length === 0 && <p className="text-muted">{texts.none}</p>}
      {messages.length > 0 && (
        <SelectField label={texts.to} value={chosen} onChange={(event) => setChosen(event.target.value)}>
          <option value="" disabled>
            {texts.choose}
          </option>
          {messages.map(({ id, text }) => (
            <option key={id} value={id}>
              {text}
            </option>
          ))}
        </SelectField>
      )}
      {chosen !== '' && <Preview preview={preview} />}
      {rewind.error && <Failure problem={rewind.error} />}
      {refusal && <Failure problem={refusal} />}
    </Dialog>
  );
}

interface PreviewProps {
  preview: {
    isPending: boolean;
    error: unknown;
    data?: Awaited<ReturnType<ReturnType<typeof client.session>['rewind']>> | undefined;
  };
}

/** The files that would change. */
function Preview({ preview: { isPending, error, data } }: PreviewProps): ReactNode {
  if (error) return <Failure problem={error} />;
  if (isPending || !data) return <Loading />;
  if (!data.can_rewind) return <Failure problem={data.error ?? texts.nothing} />;
  if (data.files_changed.length === 0) return <p className="mt-3 text-muted">{texts.nothing}</p>;
  return (
    <section aria-label={texts.preview} className="mt-3 rounded-md border">
      <p className="border-b px-3 py-1.5 text-muted">{texts.lines(data.insertions, data.deletions)}</p>
      <ul className="max-h-60 overflow-y-auto px-3 py-1.5 font-mono text-xs">
        {data.files_changed.map((file) => (
          <li key={file}>{file}</li>
        ))}
      </ul>
    </section>
  );
}
