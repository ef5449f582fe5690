import type { AgentSession } from 'claude-agent-client';
import { createContext, type ReactNode, useContext, useState } from 'react';
import type { Item } from './model/items.ts';

/** What the parts of the page need of it. */
export interface SessionPage {
  session: AgentSession;
  cwd: string | undefined;
  children: ReadonlyMap<string, readonly Item[]>;
  ended: ReadonlySet<string>;
  mayUse: boolean;
  mayAnswer: boolean;
  /** What the reader has folded or unfolded, also of rows that are out of sight. */
  folds: Map<string, boolean>;
  /** Draws a row: a subagent has rows too. */
  row(item: Item): ReactNode;
  showRaw(seqs: readonly number[]): void;
  linkTo(turnId: string): string;
}

export const SessionContext = createContext<SessionPage | undefined>(undefined);

export function useSessionPage(): SessionPage {
  const page = useContext(SessionContext);
  if (!page) throw new Error('A part of the session page is shown outside of it.');
  return page;
}

/** Whether something is unfolded; the page remembers it when the row leaves the screen and comes back. */
export function useFold(key: string, isOpenAtFirst: boolean): [boolean, (isOpen: boolean) => void] {
  const { folds } = useSessionPage();
  const [isOpen, setOpen] = useState(folds.get(key) ?? isOpenAtFirst);
  return [
    isOpen,
    (next) => {
      folds.set(key, next);
      setOpen(next);
    },
  ];
}
