import type { AgentSession } from 'claude-agent-client';
import type { UserInput } from 'claude-agent-protocol';
import type { Context } from '../context.ts';
import type { OpenedSession } from '../open-session.ts';
import type { Ui } from '../term/ui.ts';
import type { Item } from '../view/items.ts';
import type { ViewState } from '../view/state.ts';

/** What the commands of a chat can see and do. */
export interface Chat {
  readonly context: Context;
  readonly ui: Ui;
  /** The session that is shown; undefined until there is one. */
  readonly session: AgentSession | undefined;
  readonly view: ViewState;
  /** Names of models that the agent offers, once it has said so. */
  readonly models: readonly string[];
  /** Writes items to the scrollback. */
  show(...items: Item[]): void;
  print(lines: readonly string[]): void;
  /** A line about the program itself. */
  say(text: string, level?: 'info' | 'warning' | 'error'): void;
  send(message: UserInput): void;
  /** Leaves the session that is shown and opens another one. */
  change(open: () => Promise<OpenedSession>): Promise<void>;
  /** Something was typed, sent or not: then the list of older sessions is not shown. */
  readonly isWriting: boolean;
  leave(): void;
}
