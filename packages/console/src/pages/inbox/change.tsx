import { type ReactNode, useMemo } from 'react';
import DiffView from '../../ui/diff/diff-view.tsx';
import { diffHunks } from '../../ui/diff/hunks.ts';

interface ChangeProps {
  file: string;
  before: string;
  after: string;
}

/** A change of a file as a diff. Loaded when it is needed: comparing takes a library. */
export default function Change({ file, before, after }: ChangeProps): ReactNode {
  const hunks = useMemo(() => diffHunks(before, after), [before, after]);
  return <DiffView hunks={hunks} file={file} />;
}
