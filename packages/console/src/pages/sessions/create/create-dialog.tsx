import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { CreateSession } from 'claude-agent-client';
import { type ReactNode, useId, useState } from 'react';
import { client } from '../../../api/client.ts';
import { sessionsTexts } from '../../../text/sessions.ts';
import { FormDialog } from '../../../ui/form-dialog.tsx';
import { Failure } from '../../../ui/states.tsx';
import { useToasts } from '../../../ui/toasts.tsx';
import { BasicFields } from './basic-fields.tsx';
import { bodyOf, type CreateForm, EMPTY_FORM, errorsOf, type FormErrors } from './form.ts';
import { modelsQuery } from './models-query.ts';
import { isOfMore, MoreFields } from './more-fields.tsx';

const texts = sessionsTexts.form;

/** Makes a session, with every option that there is; what the server refuses is told at its field. */
export function CreateDialog({ cwd, close }: { cwd: string | undefined; close(): void }): ReactNode {
  const id = useId();
  const [form, setForm] = useState<CreateForm>({ ...EMPTY_FORM, cwd: cwd ?? '' });
  const [wrong, setWrong] = useState<{ errors: FormErrors; general?: string | undefined }>({ errors: {} });
  const [isMore, setMore] = useState(false);
  const models = useQuery(modelsQuery);
  const create = useCreate();
  const set = (change: Partial<CreateForm>): void => {
    setForm((before) => ({ ...before, ...change }));
    setWrong(({ errors }) => ({
      errors: Object.fromEntries(Object.entries(errors).filter(([field]) => !(field in change))),
    }));
  };
  const refuse = (found: typeof wrong): void => {
    const fields = Object.keys(found.errors);
    setWrong({ ...found, general: found.general ?? (fields.length > 0 ? texts.check : undefined) });
    if (fields.some(isOfMore)) setMore(true);
    // When it is on the screen.
    requestAnimationFrame(() =>
      document.querySelector<HTMLElement>(`#${CSS.escape(id)} [aria-invalid="true"]`)?.focus(),
    );
  };
  const submit = (): void => {
    const made = bodyOf(form, models.data?.models ?? []);
    if ('errors' in made) {
      refuse(made);
      return;
    }
    setWrong({ errors: {} });
    create.mutate(
      { options: made.body, message: form.message.trim() },
      { onError: (problem) => refuse(errorsOf(problem)) },
    );
  };
  return (
    <FormDialog
      id={id}
      wide
      noValidate
      title={sessionsTexts.create}
      action={texts.action}
      busy={create.isPending}
      onSubmit={submit}
      onClose={close}
    >
      {wrong.general !== undefined && <Failure problem={wrong.general} />}
      <BasicFields form={form} errors={wrong.errors} set={set} />
      <details open={isMore} onToggle={(event) => setMore(event.currentTarget.open)}>
        <summary className="tap py-1 font-medium">{texts.more}</summary>
        <div className="mt-2 grid gap-4 sm:grid-cols-2">
          <MoreFields form={form} errors={wrong.errors} set={set} />
        </div>
      </details>
    </FormDialog>
  );
}

/** Makes the session, sends the first message, and shows it. */
function useCreate() {
  const navigate = useNavigate();
  const { say, fail } = useToasts();
  // The way back leads to the list, not to the dialog.
  return useMutation({
    mutationFn: async ({ options, message }: { options: CreateSession; message: string }) => {
      const session = await client.sessions.create(options);
      // It exists now: what goes wrong from here on is no reason to fill in the form again.
      if (message !== '') await session.submit(message).catch(fail);
      return session;
    },
    onSuccess: ({ id, created }) => {
      for (const warning of created?.warnings ?? []) say(warning);
      return navigate({ to: '/sessions/$sessionId', params: { sessionId: id }, replace: true });
    },
  });
}
