import { type AgentSession, ApiError, type Connection } from 'claude-agent-client';
import type { StreamFrame } from 'claude-agent-protocol';
import { readAgentMessage } from '../view/agent-messages.ts';
import type { Item } from '../view/items.ts';
import { reduce } from '../view/reduce.ts';
import { emptyView, type ViewState } from '../view/state.ts';

/** How many of the last events are shown when a session is opened. */
const REPLAYED_EVENTS = 500;
const HISTORY_MESSAGES = 40;

export interface Follower {
  readonly view: ViewState;
  /** True once everything from before is read: what comes now happens now. */
  readonly isLive: boolean;
  readonly connection: Connection;
  stop(): void;
}

export interface FollowDeps {
  session: AgentSession;
  /** New lines for the scrollback. */
  onItems(items: Item[]): void;
  onChange(): void;
  onError(error: unknown): void;
}

/** Shows a session from its log: first its recent past, then what happens, over as many connections as it takes. */
export async function follow({ session, onItems, onChange, onError }: FollowDeps): Promise<Follower> {
  const info = await session.info();
  const after = Math.max(0, info.last_seq - REPLAYED_EVENTS);
  const abort = new AbortController();
  let isLive = info.last_seq === 0;
  let connection: Connection = { state: 'open' };
  let view: ViewState = {
    ...emptyView,
    lastSeq: after,
    state: info.state,
    model: info.current_model,
    mode: info.permission_mode,
    title: info.title,
    cwd: info.cwd,
    // A server that knows no background work lists none.
    tasks: info.tasks ?? [],
  };

  const past = info.message_count === 0 ? await readHistory(session) : [];
  if (after > 0) past.push({ kind: 'notice', level: 'info', text: '… earlier messages are left out' });
  onItems(past);

  const take = (frame: StreamFrame): void => {
    const reduced = reduce(view, frame);
    view = reduced.view;
    if (reduced.items.length > 0) onItems(reduced.items);
    if (!isLive && view.lastSeq >= info.last_seq) {
      isLive = true;
      const id = info.current_turn_id;
      if (id !== null && !view.turn && info.state !== 'idle') {
        view = { ...view, turn: { id, startedAt: Date.now(), position: 0, outputTokens: 0, inputTokens: 0 } };
      }
    }
    onChange();
  };

  const run = async (): Promise<void> => {
    const frames = session.events({
      after,
      signal: abort.signal,
      onConnection: (next) => {
        connection = next;
        onChange();
      },
    });
    for await (const frame of frames) take(frame);
  };
  run().catch(onError);

  return {
    get view() {
      return view;
    },
    get isLive() {
      return isLive;
    },
    get connection() {
      return connection;
    },
    stop: () => abort.abort(),
  };
}

/** The past of a session that was made elsewhere, by the terminal program for example: it has no log here. */
async function readHistory(session: AgentSession): Promise<Item[]> {
  const messages = await session.history({ limit: 1000 }).catch((error: unknown) => {
    if (error instanceof ApiError) return [];
    throw error;
  });
  let view = emptyView;
  const items: Item[] = [];
  for (const { type, message, parent_tool_use_id } of messages.slice(-HISTORY_MESSAGES)) {
    const said = type === 'user' ? userText(message) : undefined;
    if (said !== undefined) items.push(saidItem(said));
    const reduced = readAgentMessage(view, { type, message, parent_tool_use_id });
    view = reduced.view;
    items.push(...reduced.items);
  }
  return items;
}

/** The transcript keeps news of background tasks as if the user had said them. */
function saidItem(text: string): Item {
  if (!text.startsWith('<task-notification>')) return { kind: 'user', message: text };
  return { kind: 'own', message: /<summary>([\s\S]*?)<\/summary>/.exec(text)?.[1] };
}

function userText(message: unknown): string | undefined {
  const content = (message as { content?: unknown } | null)?.content;
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  const text = content
    .flatMap((block: { type?: unknown; text?: unknown }) =>
      block.type === 'text' && typeof block.text === 'string' ? [block.text] : [],
    )
    .join('\n');
  return text === '' ? undefined : text;
}
