import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { Output } from 'claude-agent-protocol';
import { LIMITS, type LimitName } from 'claude-agent-protocol/reasons';
import { type FormEvent, type ReactNode, useState } from 'react';
import { client } from '../../api/client.ts';
import { messageOf } from '../../api/message-of.ts';
import { common } from '../../text/common.ts';
import { operationsTexts as texts } from '../../text/operations.ts';
import { usageTexts } from '../../text/usage.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/field.tsx';

type Key = Output<'listKeys'>['keys'][number];
const FORM = 'change-key';

/** Changes what of a key can be changed; its role, tenant and policy stay. */
export function ChangeKey({ of: key, onDone }: { of: Key; onDone(): void }): ReactNode {
  const queries = useQueryClient();
  const [name, setName] = useState(key.name);
  const [days, setDays] = useState('');
  const [budget, setBudget] = useState(textOf(key.budget_usd));
  const [limits, setLimits] = useState<Partial<Record<LimitName, string>>>(() =>
    Object.fromEntries(LIMITS.map((limit) => [limit, textOf(key.limits[limit])])),
  );
  const change = useMutation({
    mutationFn: () =>
      client.call('patchKey', {
        params: { key_id: key.key_id },
        body: {
          name,
          ...(days !== '' && { expires_in_days: Number(days) }),
          budget_usd: budget === '' ? null : Number(budget),
          limits: Object.fromEntries(
            LIMITS.flatMap((limit) => (limits[limit] ? [[limit, Number(limits[limit])]] : [])),
          ),
        },
      }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ['keys'] });
      onDone();
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    change.mutate();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onDone()}
      title={texts.changeKey}
      actions={
        <>
          <Button onClick={onDone}>{common.cancel}</Button>
          <Button type="submit" form={FORM} look="primary" busy={change.isPending}>
            {texts.save}
          </Button>
        </>
      }
    >
      <form id={FORM} onSubmit={submit} className="flex flex-col gap-3">
        <TextField
          label={texts.keyName}
          required
          value={name}
          onChange={({ target }) => setName(target.value)}
          error={change.error ? messageOf(change.error) : undefined}
        />
        <NumberField label={texts.days} hint={texts.daysHint} value={days} onValue={setDays} />
        <NumberField label={texts.budget} hint={texts.budgetHint} value={budget} onValue={setBudget} />
        <fieldset className="flex flex-col gap-3 border-t pt-3">
          <legend className="pr-2 font-medium">{texts.limits}</legend>
          <p className="text-xs text-muted">{texts.limitsHint}</p>
          {LIMITS.map((limit) => (
            <NumberField
              key={limit}
              label={usageTexts.limitNames[limit] ?? limit}
              value={limits[limit] ?? ''}
              onValue={(value) => setLimits({ ...limits, [limit]: value })}
            />
          ))}
        </fieldset>
      </form>
    </Dialog>
  );
}

const textOf = (value: number | null | undefined): string => String(value ?? '');

function NumberField(props: {
  label: string;
  hint?: string;
  value: string;
  onValue(value: string): void;
}): ReactNode {
  const { onValue, ...field } = props;
  return (
    <TextField
      {...field}
      type="number"
      min={0}
      step="any"
      inputMode="decimal"
      onChange={({ target }) => onValue(target.value)}
    />
  );
}
