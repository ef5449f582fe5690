import { EFFORTS } from 'claude-agent-protocol/reasons';
import type { ReactNode } from 'react';
import { sessionsTexts } from '../../../text/sessions.ts';
import { Checkbox, SelectField, TextArea, TextField } from '../../../ui/field.tsx';
import type { FieldsProps } from './basic-fields.tsx';
import type { CreateForm } from './form.ts';

const texts = sessionsTexts.form;

const BASIC: ReadonlySet<string> = new Set(['message', 'source', 'cwd', 'gitUrl', 'gitRef', 'model', 'mode']);

/** Whether a field is among the further ones, which are folded away at first. */
export const isOfMore = (field: string): boolean => !BASIC.has(field);

/** Everything else that a session can be given. */
export function MoreFields({ form, errors, set }: FieldsProps): ReactNode {
  const text = (field: 'title' | 'budget' | 'maxTurns') => ({
    label: texts[field],
    error: errors[field],
    value: form[field],
    onChange: ({ target }: { target: { value: string } }) => set({ [field]: target.value }),
  });
  const lines = (field: 'allowed' | 'denied' | 'mcp' | 'prompt' | 'hosts' | 'tags' | 'other') => ({
    label: texts[field],
    error: errors[field],
    value: form[field],
    spellCheck: field === 'prompt',
    className: field === 'prompt' ? '' : 'font-mono text-xs',
    onChange: ({ target }: { target: { value: string } }) => set({ [field]: target.value }),
  });
  return (
    <>
      <TextField {...text('title')} maxLength={500} />
      <TextField {...text('budget')} inputMode="decimal" />
      <TextField {...text('maxTurns')} inputMode="numeric" />
      <SelectField
        label={texts.effort}
        error={errors.effort}
        value={form.effort}
        onChange={(event) => set({ effort: event.target.value })}
      >
        <option value="">{texts.effortDefault}</option>
        {EFFORTS.map((effort) => (
          <option key={effort}>{effort}</option>
        ))}
      </SelectField>
      <TextArea {...lines('allowed')} hint={texts.toolsHint} />
      <TextArea {...lines('denied')} hint={texts.toolsHint} />
      <div className="sm:col-span-2">
        <TextArea {...lines('mcp')} hint={texts.mcpHint} rows={5} />
      </div>
      <SelectField
        label={texts.promptHow}
        value={form.promptHow}
        onChange={(event) => set({ promptHow: event.target.value as CreateForm['promptHow'] })}
      >
        <option value="append">{texts.promptAppend}</option>
        <option value="replace">{texts.promptReplace}</option>
      </SelectField>
      <TextArea {...lines('prompt')} />
      <SelectField
        label={texts.network}
        hint={texts.networkHint}
        error={errors.network}
        value={form.network}
        onChange={(event) => set({ network: event.target.value as CreateForm['network'] })}
      >
        {Object.entries(texts.networkModes).map(([mode, label]) => (
          <option key={mode} value={mode}>
            {label}
          </option>
        ))}
      </SelectField>
      {form.network === 'limited' ? <TextArea {...lines('hosts')} hint={texts.hostsHint} /> : <span />}
      <TextArea {...lines('tags')} hint={texts.tagsHint} />
      <TextArea {...lines('other')} hint={texts.otherHint} />
      <div className="sm:col-span-2">
        <Checkbox
          label={texts.trust}
          checked={form.trust}
          onChange={(event) => set({ trust: event.target.checked })}
        />
        {errors.trust && <p className="text-xs text-bad">{errors.trust}</p>}
      </div>
    </>
  );
}
