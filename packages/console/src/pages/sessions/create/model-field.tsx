import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from 'react';
import { sessionsTexts } from '../../../text/sessions.ts';
import { classNames } from '../../../ui/class-names.ts';
import { TextField } from '../../../ui/field.tsx';
import { describeModel, findModels } from './models.ts';
import { modelsQuery } from './models-query.ts';

const texts = sessionsTexts.form;

interface ModelFieldProps {
  value: string;
  error: string | undefined;
  onChange(model: string): void;
}

/** A model by its name, with the names and prices of those that the server offers. */
export function ModelField({ value, error, onChange }: ModelFieldProps): ReactNode {
  const list = useId();
  const { data } = useQuery(modelsQuery);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  // A name that was chosen says nothing about what else is wanted.
  const [isTyped, setTyped] = useState(false);
  const options = useRef<HTMLDivElement>(null);
  const found = findModels(data?.models ?? [], isTyped ? value : '');
  const isShown = isOpen && found.length > 0;
  const choose = (id: string | undefined): void => {
    if (id !== undefined) onChange(id);
    setOpen(false);
    setTyped(false);
    setActive(-1);
  };
  const move = (to: number): void => {
    setOpen(true);
    setActive(to);
    options.current?.children[to]?.scrollIntoView({ block: 'nearest' });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowDown') move(Math.min(active + 1, found.length - 1));
    else if (event.key === 'ArrowUp') move(Math.max(active - 1, 0));
    else if (event.key === 'Enter' && isShown && active >= 0) choose(found[active]?.id);
    else if (event.key === 'Escape' && isShown) choose(undefined);
    else return;
    event.preventDefault();
    // Escape closes the list, not the dialog.
    event.stopPropagation();
  };
  const placeholder =
    data && (data.defaultModel === null ? texts.modelAgent : texts.modelDefault(data.defaultModel));
  return (
    <div className="relative">
      <TextField
        label={texts.model}
        hint={texts.modelHint}
        error={error}
        role="combobox"
        aria-expanded={isShown}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={isShown && active >= 0 ? `${list}-${active}` : undefined}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        placeholder={placeholder}
        value={value}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onClick={() => setOpen(true)}
        onKeyDown={onKeyDown}
        onChange={(event) => {
          setOpen(true);
          setTyped(true);
          setActive(-1);
          onChange(event.target.value);
        }}
      />
      <div
        ref={options}
        id={list}
        role="listbox"
        aria-label={texts.modelList}
        hidden={!isShown}
        className="absolute top-full z-10 mt-1 max-h-64 w-full overflow-y-auto rounded-md border bg-raised p-1 shadow-lg"
      >
        {isShown &&
          found.map((model, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys, and the focus
            <div
              key={model.id}
              id={`${list}-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === active}
              // Before the field loses the focus.
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => choose(model.id)}
              className={classNames(
                'tap flex flex-wrap items-center gap-x-2 rounded-md px-2 py-1 hover:bg-hover',
                index === active && 'bg-hover',
              )}
            >
              <span className="grow font-mono text-xs">{model.id}</span>
              <span className="text-xs text-muted">{describeModel(model)}</span>
            </div>
          ))}
      </div>
    </div>
  );
}
