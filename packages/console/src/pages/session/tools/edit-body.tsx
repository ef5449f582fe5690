import { type ReactNode, useMemo } from 'react';
import DiffView from '../../../ui/diff/diff-view.tsx';
import { diffHunks, type Hunk, patchHunks } from '../../../ui/diff/hunks.ts';
import type { ToolItem } from '../model/items.ts';

/** The change that a call makes to a file: from its result when there is one, else from its input. */
export default function EditBody({ call, file }: { call: ToolItem; file: string }): ReactNode {
  const { name, input, result } = call;
  const hunks = useMemo(
    () => patchHunks(result?.details) ?? hunksOfInput(name, input),
    [name, input, result],
  );
  return <DiffView hunks={hunks} file={file} />;
}

function hunksOfInput(name: string, input: ToolItem['input']): Hunk[] {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  if (name === 'Write') return diffHunks('', text(input.content));
  if (name === 'NotebookEdit') return diffHunks('', text(input.new_source));
  const edits: unknown[] = Array.isArray(input.edits) ? input.edits : [input];
  return edits.flatMap((edit) => {
    const { old_string: before, new_string: after } = (edit ?? {}) as Record<string, unknown>;
    return diffHunks(text(before), text(after));
  });
}
