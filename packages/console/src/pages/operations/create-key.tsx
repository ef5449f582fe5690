import { useMutation, useQueryClient } from '@tanstack/react-query';
import { ROLES } from 'claude-agent-protocol/access';
import { type FormEvent, type ReactNode, useState } from 'react';
import { client } from '../../api/client.ts';
import { useMe } from '../../api/me.ts';
import { messageOf } from '../../api/message-of.ts';
import { common } from '../../text/common.ts';
import { operationsTexts as texts } from '../../text/operations.ts';
import { Button } from '../../ui/button.tsx';
import { CopyButton } from '../../ui/copy-button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';

const FORM = 'create-key';

/** Makes a key, and shows its secret this once. */
export function CreateKey(): ReactNode {
  const queries = useQueryClient();
  const { may } = useMe();
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState('');
  const [role, setRole] = useState<(typeof ROLES)[number]>('user');
  const create = useMutation({
    mutationFn: () => client.call('createKey', { body: { name, role } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['keys'] }),
  });
  const close = (open: boolean): void => {
    setOpen(open);
    // The secret leaves the page with the window.
    create.reset();
    setName('');
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <>
      <Button className="mt-2" onClick={() => setOpen(true)}>
        {texts.createKey}
      </Button>
      <Dialog
        open={isOpen}
        onOpenChange={close}
        title={texts.createKey}
        actions={
          create.data ? (
            <Button onClick={() => close(false)}>{common.close}</Button>
          ) : (
            <Button type="submit" form={FORM} look="primary" busy={create.isPending}>
              {texts.create}
            </Button>
          )
        }
      >
        {create.data ? (
          <>
            <p className="mb-2">{texts.shownOnce}</p>
            <div className="flex items-center gap-2 rounded-md border bg-sunken p-2">
              <code className="min-w-0 grow">{create.data.key}</code>
              <CopyButton text={create.data.key} label={texts.copyKey} />
            </div>
          </>
        ) : (
          <form id={FORM} onSubmit={submit} className="flex flex-col gap-3">
            <TextField
              label={texts.keyName}
              hint={texts.keyNameHint}
              required
              value={name}
              onChange={({ target }) => setName(target.value)}
              error={create.error ? messageOf(create.error) : undefined}
            />
            <SelectField
              label={texts.role}
              value={role}
              onChange={({ target }) => setRole(ROLES.find((each) => each === target.value) ?? 'user')}
            >
              {ROLES.filter((each) => each !== 'operator' || may('operate')).map((each) => (
                <option key={each} value={each}>
                  {common.roles[each]}: {texts.roleDoes[each]}
                </option>
              ))}
            </SelectField>
          </form>
        )}
      </Dialog>
    </>
  );
}
