import { type ReactNode, useMemo } from 'react';
import DiffView from '../../../ui/diff/diff-view.tsx';
import { hunksOfCall } from '../../../ui/diff/hunks.ts';
import type { ToolItem } from '../model/items.ts';

/** The change that a call makes to a file. */
export default function EditBody({ call, file }: { call: ToolItem; file: string }): ReactNode {
  const { name, input, result } = call;
  const hunks = useMemo(() => hunksOfCall(name, input, result?.details), [name, input, result]);
  return <DiffView hunks={hunks} file={file} />;
}
