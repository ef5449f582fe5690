import type { Session } from 'claude-agent-client';
import type { ReactNode } from 'react';
import { useMe } from '../../../api/me.ts';
import type { SessionDialog } from '../actions.ts';
import { CreateDialog } from '../create/create-dialog.tsx';
import type { SessionsSearch } from '../search.ts';
import { AvailableDialog } from './available-dialog.tsx';
import { CloseDialog, EraseDialog } from './end-dialogs.tsx';
import { ForkDialog } from './fork-dialog.tsx';
import { ImportDialog } from './import-dialog.tsx';
import { RenameDialog } from './rename-dialog.tsx';
import { RewindDialog } from './rewind-dialog.tsx';

const ABOUT_SESSIONS = {
  rename: RenameDialog,
  fork: ForkDialog,
  rewind: RewindDialog,
  close: CloseDialog,
  erase: EraseDialog,
} as const satisfies Record<SessionDialog, unknown>;

interface DialogsProps {
  page: SessionsSearch['dialog'];
  about: { dialog: SessionDialog; session: Session } | undefined;
  /** The folder that the list is of. */
  cwd: string | undefined;
  close(): void;
}

/** The dialog that is open over the list; loaded when the first one opens. */
export default function Dialogs({ page, about, cwd, close }: DialogsProps): ReactNode {
  const { may } = useMe();
  // An address can name a dialog that the reader may not use.
  if (!may('use')) return null;
  if (about) {
    const About = ABOUT_SESSIONS[about.dialog];
    return <About session={about.session} close={close} />;
  }
  if (page === 'create') return <CreateDialog cwd={cwd} close={close} />;
  if (page === 'resume') return <AvailableDialog close={close} />;
  if (page === 'import') return <ImportDialog close={close} />;
  return null;
}
