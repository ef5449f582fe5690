import { type FormEvent, type ReactNode, useMemo, useState } from 'react';
import { inboxTexts } from '../../text/inbox.ts';
import { Button } from '../../ui/button.tsx';
import { Checkbox, SelectField, TextField } from '../../ui/field.tsx';
import type { Answer } from './answer.ts';
import { type FormField, type FormValues, fieldsOf, readForm, startValues } from './form-fields.ts';

const texts = inboxTexts.form;
const INPUT_TYPES = { email: 'email', uri: 'url', date: 'date', 'date-time': 'text' } as const;

interface ElicitationFormProps {
  input: Record<string, unknown>;
  busy: boolean;
  onAnswer(answer: Answer): void;
  /** Further buttons beside the one that sends. */
  children: ReactNode;
}

/** A form of an MCP server, made from its schema; or an address that it asks to visit. */
export function ElicitationForm({ input, busy, onAnswer, children }: ElicitationFormProps): ReactNode {
  const fields = useMemo(() => fieldsOf(input.requestedSchema), [input]);
  const [values, setValues] = useState<FormValues>(() => startValues(fields));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const read = readForm(fields, values);
    setErrors(read.errors);
    const [first] = Object.keys(read.errors);
    if (first === undefined) onAnswer({ allowed: true, updated_input: read.content });
  };
  const url = typeof input.url === 'string' ? input.url : undefined;
  return (
    <form noValidate onSubmit={submit} className="flex flex-col gap-3">
      {typeof input.message === 'string' && <p>{input.message}</p>}
      {url !== undefined && <Visit url={url} />}
      {fields.map((field) => (
        <FieldControl
          key={field.name}
          field={field}
          value={values[field.name] ?? field.start}
          error={errors[field.name]}
          onChange={(value) => setValues({ ...values, [field.name]: value })}
        />
      ))}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="primary" busy={busy}>
          {url === undefined ? inboxTexts.actions.send : inboxTexts.actions.visited}
        </Button>
        {children}
      </div>
    </form>
  );
}

/** Only addresses of the web become links: an MCP server wrote it. */
function Visit({ url }: { url: string }): ReactNode {
  const isWeb = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  return (
    <p>
      {texts.visit}{' '}
      {isWeb ? (
        <a href={url} target="_blank" rel="noreferrer noopener" className="text-accent underline">
          {url}
        </a>
      ) : (
        <span className="font-mono text-xs">{url}</span>
      )}
    </p>
  );
}

interface FieldControlProps {
  field: FormField;
  value: FormValues[string];
  error: string | undefined;
  onChange(value: FormValues[string]): void;
}

function FieldControl({ field, value, error, onChange }: FieldControlProps): ReactNode {
  const common = { label: field.label, hint: field.hint, error, required: field.required };
  const asText = typeof value === 'string' ? value : '';
  switch (field.kind) {
    case 'boolean':
      return (
        <Checkbox
          label={field.label}
          {...(field.hint !== undefined && { hint: field.hint })}
          checked={value === true}
          onChange={({ target }) => onChange(target.checked)}
        />
      );
    case 'choice':
      return (
        <SelectField {...common} value={asText} onChange={({ target }) => onChange(target.value)}>
          <option value="">{texts.choose}</option>
          {field.choices.map((choice) => (
            <option key={choice.value} value={choice.value}>
              {choice.label}
            </option>
          ))}
        </SelectField>
      );
    case 'choices':
      return (
        <Choices field={field} chosen={Array.isArray(value) ? value : []} error={error} onChange={onChange} />
      );
    case 'number':
      return (
        <TextField
          {...common}
          inputMode={field.integer ? 'numeric' : 'decimal'}
          value={asText}
          onChange={({ target }) => onChange(target.value)}
        />
      );
    case 'text':
      return (
        <TextField
          {...common}
          type={field.format === undefined ? 'text' : INPUT_TYPES[field.format]}
          value={asText}
          onChange={({ target }) => onChange(target.value)}
        />
      );
  }
}

interface ChoicesProps {
  field: Extract<FormField, { kind: 'choices' }>;
  chosen: readonly string[];
  error: string | undefined;
  onChange(value: readonly string[]): void;
}

function Choices({ field, chosen, error, onChange }: ChoicesProps): ReactNode {
  return (
    <fieldset className="flex flex-col gap-1">
      <legend className="font-medium">{field.label}</legend>
      {field.choices.map(({ value, label }) => (
        <Checkbox
          key={value}
          label={label}
          checked={chosen.includes(value)}
          onChange={({ target }) =>
            onChange(target.checked ? [...chosen, value] : chosen.filter((each) => each !== value))
          }
        />
      ))}
      {(error ?? field.hint) !== undefined && (
        <p className={error === undefined ? 'text-xs text-muted' : 'text-xs text-bad'}>
          {error ?? field.hint}
        </p>
      )}
    </fieldset>
  );
}
