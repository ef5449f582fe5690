import type { ReactNode } from 'react';
import { sessionsTexts } from '../../../text/sessions.ts';
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx';
import { FolderField } from './folder-field.tsx';
import type { CreateForm, FormErrors } from './form.ts';
import { ModelField } from './model-field.tsx';

const texts = sessionsTexts.form;

export interface FieldsProps {
  form: CreateForm;
  errors: FormErrors;
  set(change: Partial<CreateForm>): void;
}

/** What most sessions are given: where they work, what to do, with which model, and what they may do. */
export function BasicFields({ form, errors, set }: FieldsProps): ReactNode {
  return (
    <>
      <TextArea
        label={texts.message}
        hint={texts.messageHint}
        value={form.message}
        autoFocus
        onChange={(event) => set({ message: event.target.value })}
      />
      <Source form={form} errors={errors} set={set} />
      <div className="grid gap-4 sm:grid-cols-2">
        <ModelField value={form.model} error={errors.model} onChange={(model) => set({ model })} />
        <SelectField
          label={texts.mode}
          error={errors.mode}
          value={form.mode}
          onChange={(event) => set({ mode: event.target.value as CreateForm['mode'] })}
        >
          {Object.entries(texts.modes).map(([mode, label]) => (
            <option key={mode} value={mode}>
              {label}
            </option>
          ))}
        </SelectField>
      </div>
    </>
  );
}

/** A folder that is there, or a new clone. */
function Source({ form, errors, set }: FieldsProps): ReactNode {
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1 font-medium">{texts.source}</legend>
      <div className="flex flex-wrap gap-x-4 gap-y-1">
        {(['folder', 'git'] as const).map((source) => (
          <label key={source} className="tap flex items-center gap-2">
            <input
              type="radio"
              name="source"
              className="size-4 accent-(--accent)"
              checked={form.source === source}
              onChange={() => set({ source })}
            />
            {texts[source]}
          </label>
        ))}
      </div>
      {form.source === 'folder' ? (
        <FolderField
          label={texts.cwd}
          hint={texts.cwdHint}
          error={errors.cwd}
          value={form.cwd}
          onChange={(cwd) => set({ cwd })}
        />
      ) : (
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField
            label={texts.gitUrl}
            error={errors.gitUrl}
            value={form.gitUrl}
            placeholder="https://example.org/team/project.git"
            spellCheck={false}
            autoCapitalize="none"
            onChange={(event) => set({ gitUrl: event.target.value })}
          />
          <TextField
            label={texts.gitRef}
            error={errors.gitRef}
            value={form.gitRef}
            spellCheck={false}
            autoCapitalize="none"
            onChange={(event) => set({ gitRef: event.target.value })}
          />
        </div>
      )}
    </fieldset>
  );
}
