import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { client } from '../../../api/client.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { TextField } from '../../../ui/field.tsx';
import { FormDialog } from '../../../ui/form-dialog.tsx';
import { Failure } from '../../../ui/states.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import { FolderField } from '../create/folder-field.tsx';

const texts = sessionsTexts.importing;

/** Takes over a session that another server exported. */
export function ImportDialog({ close }: { close(): void }): ReactNode {
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
  return (
    <FormDialog
      title={texts.title}
      description={texts.text}
      action={texts.action}
      disabled={!file}
      busy={take.isPending}
      onSubmit={() => file && take.mutate(file)}
      onClose={close}
    >
      <TextField
        type="file"
        accept=".jsonl,application/x-ndjson"
        label={texts.file}
        onChange={(event) => setFile(event.target.files?.[0])}
      />
      <FolderField label={texts.folder} hint={texts.folderHint} value={cwd} onChange={setCwd} />
      {take.error && <Failure problem={take.error} />}
    </FormDialog>
  );
}
