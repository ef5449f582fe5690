import { ChevronDown, Search, X } from 'lucide-react';
import { type ReactNode, type RefObject, useEffect, useState } from 'react';
import { sessionsTexts } from '../../text/sessions.ts';
import { Button } from '../../ui/button.tsx';
import { Menu } from '../../ui/menu.tsx';
import { shortPath } from './list-state.ts';
import type { SessionsSearch } from './search.ts';
import { ShownChoice } from './shown-choice.tsx';

const texts = sessionsTexts.filters;
/** Typing is over when so long nothing came. */
const TYPED_MS = 250;

interface FilterBarProps {
  search: SessionsSearch;
  /** Folders and tags of the sessions that are shown, to choose from. */
  folders: readonly string[];
  tags: readonly string[];
  input: RefObject<HTMLInputElement | null>;
  onChange(change: Partial<Record<'q' | 'status' | 'state' | 'cwd' | 'tag', string | undefined>>): void;
}

export function FilterBar({ search, folders, tags, input, onChange }: FilterBarProps): ReactNode {
  return (
    <search aria-label={texts.label} className="flex flex-wrap items-center gap-2 border-b px-4 py-2">
      <SearchField q={search.q ?? ''} input={input} onChange={(q) => onChange({ q })} />
      {/* On a phone it scrolls sideways, from edge to edge. */}
      <div className="-mx-4 flex w-[calc(100%+2rem)] shrink-0 items-center gap-1 overflow-x-auto px-4 py-0.5 md:mx-0 md:w-auto md:max-w-full md:shrink md:px-0">
        <ShownChoice search={search} onChange={onChange} />
        <Choice
          label={texts.folder}
          any={texts.anyFolder}
          chosen={search.cwd}
          values={folders}
          show={shortPath}
          onChoose={(cwd) => onChange({ cwd })}
        />
        {(tags.length > 0 || search.tag !== undefined) && (
          <Choice
            label={texts.tag}
            any={texts.anyTag}
            chosen={search.tag}
            values={tags}
            show={(tag) => tag}
            onChoose={(tag) => onChange({ tag })}
          />
        )}
      </div>
    </search>
  );
}

function SearchField({
  q,
  input,
  onChange,
}: {
  q: string;
  input: FilterBarProps['input'];
  onChange(q: string | undefined): void;
}): ReactNode {
  const [typed, setTyped] = useState(q);
  const [known, setKnown] = useState(q);
  // The address changed by itself: the way back, or a link.
  if (q !== known) {
    setKnown(q);
    if (q !== typed.trim()) setTyped(q);
  }
  useEffect(() => {
    const text = typed.trim();
    if (text === q) return;
    const timer = setTimeout(() => onChange(text === '' ? undefined : text), TYPED_MS);
    return () => clearTimeout(timer);
  });
  return (
    <div className="relative min-w-52 grow basis-full md:basis-0">
      <Search aria-hidden size={16} className="absolute top-1/2 left-2.5 -translate-y-1/2 text-muted" />
      <input
        ref={input}
        type="search"
        aria-label={texts.search}
        placeholder={texts.search}
        value={typed}
        maxLength={500}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
        className="tap w-full rounded-md border border-control bg-raised py-1.5 pr-2 pl-8 placeholder:text-muted"
      />
    </div>
  );
}

interface ChoiceProps {
  label: string;
  any: string;
  chosen: string | undefined;
  values: readonly string[];
  show(value: string): string;
  onChoose(value: string | undefined): void;
}

/** One of the values that are known, or any. */
function Choice({ label, any, chosen, values, show, onChoose }: ChoiceProps): ReactNode {
  const all = chosen === undefined || values.includes(chosen) ? values : [chosen, ...values];
  return (
    <span className="flex shrink-0">
      <Menu
        label={label}
        trigger={<FilterButton label={chosen === undefined ? any : show(chosen)} />}
        groups={[
          [{ label: any, checked: chosen === undefined, onSelect: () => onChoose(undefined) }],
          all.map((value) => ({
            label: value,
            checked: value === chosen,
            onSelect: () => onChoose(value),
          })),
        ]}
      />
      {chosen !== undefined && (
        <Button
          look="ghost"
          aria-label={texts.remove(show(chosen))}
          className="px-1!"
          onClick={() => onChoose(undefined)}
        >
          <X aria-hidden size={14} />
        </Button>
      )}
    </span>
  );
}

function FilterButton({ label, ...props }: { label: string }): ReactNode {
  return (
    <Button className="max-w-56" {...props}>
      <span className="truncate">{label}</span>
      <ChevronDown aria-hidden size={14} className="shrink-0" />
    </Button>
  );
}
