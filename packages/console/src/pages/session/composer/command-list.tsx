import type { ReactNode } from 'react';
import { sessionTexts } from '../../../text/session.ts';
import { classNames } from '../../../ui/class-names.ts';
import type { SlashCommand } from './complete.ts';

/** Commands to choose from; the keys for it belong to the field that it stands over. */
export function CommandList({
  id,
  commands,
  chosen,
  onChoose,
}: {
  id: string;
  commands: readonly SlashCommand[];
  chosen: number;
  onChoose(name: string): void;
}): ReactNode {
  return (
    <div
      id={id}
      role="listbox"
      aria-label={sessionTexts.composer.commands}
      className="absolute bottom-full left-0 z-10 mb-1 w-full overflow-hidden rounded-lg border bg-raised p-1 shadow-lg"
    >
      {commands.map(({ name, description, hint }, index) => (
        // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the field
        // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field
        <div
          key={name}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === chosen}
          onClick={() => onChoose(name)}
          className={classNames(
            'tap flex cursor-pointer items-center gap-2 rounded px-2 py-1',
            index === chosen && 'bg-hover',
          )}
        >
          <span className="shrink-0 font-mono">/{name}</span>
          {hint !== '' && <span className="shrink-0 font-mono text-xs text-muted">{hint}</span>}
          <span className="truncate text-xs text-muted">{description}</span>
        </div>
      ))}
    </div>
  );
}
