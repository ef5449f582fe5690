import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { client } from '../../../api/client.ts';
import { common } from '../../../text/common.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { Button } from '../../../ui/button.tsx';
import { Dialog } from '../../../ui/dialog.tsx';
import { TextField } from '../../../ui/field.tsx';
import { Failure } from '../../../ui/states.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import { FolderField } from '../create/folder-field.tsx';

const texts = sessionsTexts.importing;

/** Takes over a session that another server exported. */
export function ImportDialog({ close }: { close(): void }): ReactNode {
  const form = useId();
  const { say } = useToasts();
  const navigate = useNavigate();
  const [file, setFile] = useState<File>();
  const [cwd, setCwd] = useState('');
  const take = useMutation({
    mutationFn: (chosen: File) =>
      client.sessions.import(chosen, cwd.trim() === '' ? {} : { cwd: cwd.trim() }),
    onSuccess: ({ session_id: sessionId }) => {
      say(texts.done);
      void navigate({ to: '/sessions/$sessionId', params: { sessionId }, replace: true });
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (file) take.mutate(file);
  };
  return (
    <Dialog
      open
      onOpenChange={close}
      title={texts.title}
      description={texts.text}
      actions={
        <>
          <Button onClick={close}>{common.cancel}</Button>
          <Button type="submit" form={form} look="primary" disabled={!file} busy={take.isPending}>
            {texts.action}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-3">
        <TextField
          type="file"
          accept=".jsonl,application/x-ndjson"
          label={texts.file}
          onChange={(event) => setFile(event.target.files?.[0])}
        />
        <FolderField label={texts.folder} hint={texts.folderHint} value={cwd} onChange={setCwd} />
        {take.error && <Failure problem={take.error} />}
      </form>
    </Dialog>
  );
}
