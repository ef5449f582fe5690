import type { AgentSession } from 'claude-agent-client';
import type { UserInput } from 'claude-agent-protocol';
import { type OpenedSession, resumeChosen } from '../open-session.ts';
import type { Key } from '../term/keys.ts';
import type { Prompt } from '../term/prompt.ts';
import type { Item } from '../view/items.ts';
import { renderItem, textOf } from '../view/render.ts';
import { emptyView, tasksOf, type ViewState } from '../view/state.ts';
import {
  activityLines,
  backgroundLine,
  connectionLine,
  footer,
  queuedLines,
  statusLine,
} from '../view/status.ts';
import type { Chat } from './chat.ts';
import { type Follower, follow } from './follow.ts';
import { createOutbox } from './outbox.ts';
import { createPermissionPanels } from './permission-panels.ts';

/** The session on the screen: its events, what is sent to it, and what it asks. */
export interface LiveSession {
  readonly session: AgentSession | undefined;
  readonly view: ViewState;
  /** Names of models that the agent offers, once it has said so. */
  readonly models: readonly string[];
  /** The session was made just now and nothing was said in it: it need not stay. */
  readonly isUnused: boolean;
  /** Messages that the server does not have yet. */
  readonly isSending: boolean;
  attach(opened: OpenedSession): Promise<void>;
  detach(): void;
  send(message: UserInput): void;
  /** The scrollback lines of an item. */
  render(item: Item): string[];
  /** What goes on, for the lines above the input; `typed` waits for the session. */
  above(width: number, height: number, typed: readonly string[]): string[];
  /** The line below the input; undefined without a session. */
  footer(width: number): string | undefined;
  close(): void;
}

export interface LiveSessionDeps {
  chat: Chat;
  prompt: Prompt;
  onCtrlC(key: Key): void;
  onError(error: unknown): void;
}

export function createLiveSession({ chat, prompt, onCtrlC, onError }: LiveSessionDeps): LiveSession {
  const { ui, context } = chat;
  const { paint } = context;
  const panels = createPermissionPanels({ ui, paint, onCtrlC, onError });
  let session: AgentSession | undefined;
  let follower: Follower | undefined;
  let isNew = false;
  let models: string[] = [];
  let ticker: NodeJS.Timeout | undefined;

  const outbox = createOutbox({
    onChange: () => ui.refresh(),
    onRefused: (message, error) => {
      chat.say(`The message was not taken: ${error.detail}`, 'error');
      if (prompt.text === '') prompt.set(textOf(message));
    },
    reopen: async () => {
      const id = session?.id;
      if (id !== undefined) await chat.change(() => resumeChosen(context.client, context.args, id));
    },
  });

  /** Redraws while something on the screen moves by itself: the clock and the spinner. */
  const keepTicking = (): void => {
    const view = follower?.view;
    const moves = view !== undefined && (view.turn !== undefined || tasksOf(view).length > 0);
    if (moves && ticker === undefined) ticker = setInterval(() => ui.refresh(), 100);
    if (!moves && ticker !== undefined) {
      clearInterval(ticker);
      ticker = undefined;
    }
  };

  const onChange = (): void => {
    keepTicking();
    if (follower?.isLive && session) panels.update(session, follower.view.permissions);
    ui.refresh();
  };

  const detach = (): void => {
    follower?.stop();
    follower = undefined;
    outbox.setSession(undefined);
    panels.closeAll();
    session = undefined;
    keepTicking();
  };

  return {
    get session() {
      return session;
    },
    get view() {
      return follower?.view ?? emptyView;
    },
    get models() {
      return models;
    },
    get isUnused() {
      return isNew && follower !== undefined && isUnused(follower.view);
    },
    get isSending() {
      return outbox.waiting.length > 0;
    },
    async attach(opened) {
      session = opened.session;
      isNew = opened.isNew;
      follower = await follow({
        session: opened.session,
        onItems: (items) => chat.show(...items),
        onChange,
        onError,
      });
      outbox.setSession(session);
      onChange();
      void opened.session.serverInfo().then(
        (info) => {
          models = modelNames(info.models);
        },
        () => undefined,
      );
    },
    detach,
    send: (message) => outbox.add(message),
    render: (item) => renderItem(item, { width: ui.width, paint }),
    above(width, height, typed) {
      const view = follower?.view ?? emptyView;
      const options = { width, paint, now: Date.now() };
      const busy = [statusLine(view, options), backgroundLine(view, options)].filter(
        (line) => line !== undefined,
      );
      const lost = follower && connectionLine(follower.connection, width, paint);
      const messages = [...view.queued, ...outbox.waiting].map((entry) => entry.message);
      const below = [
        ...(busy.length > 0 ? ['', ...busy] : []),
        ...(lost ? [lost] : []),
        ...queuedLines([...messages, ...typed], width, paint),
      ];
      const activity = activityLines(view, { ...options, height: Math.max(0, height - below.length - 1) });
      return [...activity, ...below, ''];
    },
    footer: (width) => follower && footer(follower.view, width, paint),
    close() {
      outbox.close();
      detach();
    },
  };
}

function isUnused(view: ViewState): boolean {
  return view.turn === undefined && view.queued.length === 0 && view.turns === 0;
}

function modelNames(models: unknown): string[] {
  if (!Array.isArray(models)) return [];
  return models.flatMap((model: { value?: unknown }) =>
    typeof model.value === 'string' ? [model.value] : [],
  );
}
