import type {
  BackgroundTask,
  PermissionRequest,
  SessionEvent,
  StreamFrame,
  Turn,
  TurnInitiator,
  UserInput,
} from 'claude-agent-protocol';
import { isTurnEnd, outcomeOf, type TurnEndEvent } from 'claude-agent-protocol/reasons';
import { type AgentFacts, readAssistant, readNotice, readToolResults } from './agent-message.ts';
import { createNews, createTurns, type SessionFacts, type TurnFacts, type TurnsSummary } from './facts.ts';
import type { Item, Notice, OpenBlock, Place, Resolution, ToolResult } from './items.ts';
import { type Activity, createLive } from './live.ts';
import { createRows } from './rows.ts';

/** What the screen shows of a session. Never changed: each one is a new object with the parts that stayed the same. */
export interface View extends TurnsSummary {
  /** Numbers of the oldest and the newest event that it has; 0 without any. */
  first: number;
  last: number;
  items: readonly Item[];
  /** What subagents said and did, by the tool call that started them. */
  children: ReadonlyMap<string, readonly Item[]>;
  open: readonly OpenBlock[];
  activity: Activity;
  /** Undefined while no event that says so is loaded. */
  session: SessionFacts | undefined;
  agent: AgentFacts | undefined;
  tasks: readonly BackgroundTask[] | undefined;
  erased: boolean;
}

/**
 * A session as it is read: the same events give the same view, in whichever order their pages come and however often.
 * What only the stream has (deltas) is put behind them until the log has it.
 */
export interface Conversation {
  /** Takes frames of the stream, or a page of the log. An event that it has changes nothing. */
  add(frames: readonly StreamFrame[]): void;
  /** Turns whose first events may not be loaded: they say what was asked. */
  know(turns: readonly Turn[]): void;
  /** What was said before the log begins: the history of a conversation that was made elsewhere. */
  prepend(items: readonly Item[]): void;
  /** Another connection of the stream has begun. */
  reconnected(): void;
  view(): View;
}

type EventOf<T extends SessionEvent['type']> = Extract<SessionEvent, { type: T }>;

export function createConversation(): Conversation {
  const seen = new Set<number>();
  let [first, last] = [0, 0];
  let erased = false;
  const rows = createRows();
  const live = createLive();
  const turns = createTurns();
  const news = createNews();
  const results = new Map<string, ToolResult>();
  const resolutions = new Map<string, Resolution>();
  let isDirty = true;
  let current: View | undefined;

  const put = (event: SessionEvent, item: RowOf, id?: string): void =>
    rows.add(null, { seq: event.seq, part: 0, key: `${event.seq}.0`, turnId: event.turn_id, ...item }, id);
  const notice = (event: SessionEvent, about: Notice): void => put(event, { kind: 'notice', notice: about });
  const prompt = (
    event: SessionEvent,
    about: { message: UserInput | undefined; initiator?: TurnInitiator | undefined; steered?: boolean },
    id?: string,
  ): void => {
    const { message, initiator = 'user', steered = false } = about;
    put(event, { kind: 'prompt', at: event.at, initiator, message, steered }, id);
  };

  /** The rows of a turn, once more of it is known. */
  const refresh = ({ id, message, startedAt }: TurnFacts): void => {
    rows.replace(`prompt ${id}`, (item) => (item.kind === 'prompt' ? { ...item, message } : item));
    const unsent = startedAt === undefined ? message : undefined;
    rows.replace(`end ${id}`, (item) => (item.kind === 'end' ? { ...item, unsent } : item));
  };

  const takeMessage = (event: EventOf<'agent.message'>, isNewest: boolean): void => {
    const { data, seq, turn_id: turnId } = event;
    if (data.type === 'assistant') {
      const words = readAssistant(data);
      const keys = isNewest ? live.complete(words) : [];
      words.blocks.forEach((block, part) => {
        const place = { seq, part, turnId, key: keys[part] ?? `${seq}.${part}` };
        if (block.kind === 'tool')
          rows.add(words.parent, { ...place, ...block, result: results.get(block.id) }, `tool ${block.id}`);
        else if (block.text.trim() !== '') rows.add(words.parent, { ...place, ...block });
      });
    } else if (data.type === 'user') {
      for (const [id, result] of readToolResults(data, seq)) {
        results.set(id, result);
        rows.replace(`tool ${id}`, (item) => (item.kind === 'tool' ? { ...item, result } : item));
      }
    } else if (data.type === 'system') {
      const about = readNotice(data);
      if (about) notice(event, about);
    }
  };

  const takeEnd = (event: EventOf<TurnEndEvent>, isNewest: boolean): void => {
    const facts = turns.change(event.turn_id ?? '');
    facts.ended = true;
    // One that never began does not touch what another is writing.
    if (isNewest && facts.startedAt !== undefined) live.clear();
    put(
      event,
      {
        kind: 'end',
        at: event.at,
        outcome: outcomeOf(event),
        result: event.data.result,
        error: event.type === 'turn.failed' ? event.data.error : undefined,
        reason: event.type === 'turn.interrupted' ? event.data.reason : undefined,
        unsent: facts.startedAt === undefined ? facts.message : undefined,
      },
      `end ${facts.id}`,
    );
  };

  const takeTurn = (event: SessionEvent, isNewest: boolean): void => {
    const facts = turns.change(event.turn_id ?? '');
    switch (event.type) {
      case 'turn.queued':
        facts.message = event.data.message;
        facts.queuedAt = event.at;
        // A message that its turn ended without: now it waits for one of its own.
        facts.steers = undefined;
        break;
      case 'turn.started':
        facts.startedAt = event.at;
        facts.message ??= event.data.message;
        prompt(event, { message: facts.message, initiator: event.data.initiator }, `prompt ${facts.id}`);
        break;
      case 'turn.steering': {
        const given = turns.change(event.data.message_id);
        given.message = event.data.message;
        if (given.queuedAt === undefined) {
          given.queuedAt = event.at;
          given.steers = event.turn_id ?? undefined;
        }
        return;
      }
      case 'turn.steered':
        turns.change(event.data.message_id).taken = true;
        prompt(event, { message: event.data.message, steered: true });
        return;
      case 'turn.waiting':
        if ((facts.position?.seq ?? 0) < event.seq)
          facts.position = { seq: event.seq, value: event.data.position };
        return;
      case 'turn.continued':
        if (isNewest) live.clear();
        notice(event, { type: 'continued', reason: event.data.reason });
        return;
      case 'turn.parked':
        notice(event, { type: 'parked' });
        return;
      case 'turn.resumed':
        notice(event, { type: 'resumed' });
        return;
    }
    refresh(facts);
  };

  const takePermission = (event: EventOf<'permission.requested' | 'permission.resolved'>): void => {
    if (event.type === 'permission.requested') {
      const request: PermissionRequest = event.data;
      const resolution = resolutions.get(request.request_id);
      put(event, { kind: 'permission', request, resolution }, `permission ${request.request_id}`);
      return;
    }
    const { request_id: id, state, reason, message, resolved_by: by } = event.data;
    const resolution = { state, reason, message, by };
    resolutions.set(id, resolution);
    rows.replace(`permission ${id}`, (item) => (item.kind === 'permission' ? { ...item, resolution } : item));
  };

  const takeSession = (event: SessionEvent, isNewest: boolean): void => {
    switch (event.type) {
      case 'session.closed':
        if (isNewest) live.clear();
        notice(event, { type: 'closed' });
        break;
      case 'session.conversation': {
        const { trigger, restored_messages: restored } = event.data;
        notice(event, { type: 'conversation', trigger, restored });
        break;
      }
      case 'session.workspace': {
        const { action, problem } = event.data;
        notice(event, { type: 'workspace', action, problem: problem?.message });
      }
    }
  };

  const take = (event: SessionEvent): void => {
    if (seen.has(event.seq)) return;
    seen.add(event.seq);
    const isNewest = event.seq > last;
    news.take(event);
    if (event.type === 'agent.message') takeMessage(event, isNewest);
    else if (isTurnEnd(event)) takeEnd(event, isNewest);
    else if (event.type === 'permission.requested' || event.type === 'permission.resolved')
      takePermission(event);
    else if (event.type.startsWith('turn.')) takeTurn(event, isNewest);
    else takeSession(event, isNewest);
    first = first === 0 ? event.seq : Math.min(first, event.seq);
    last = Math.max(last, event.seq);
  };

  const takeFrame = (frame: StreamFrame): void => {
    if ('seq' in frame) {
      take(frame);
      return;
    }
    if (frame.type === 'session.erased') {
      erased = true;
      return;
    }
    // What comes late of a turn that is over stands in the log.
    if (frame.turn_id !== null && turns.get(frame.turn_id)?.ended) return;
    if (frame.type === 'agent.delta') live.delta(frame.data);
    else live.partial(frame.data.blocks);
  };

  return {
    add(frames) {
      for (const frame of frames) takeFrame(frame);
      isDirty ||= frames.length > 0;
    },
    know(known) {
      for (const turn of known) refresh(turns.know(turn));
      isDirty = true;
    },
    prepend(items) {
      for (const item of items) rows.add(null, item);
      isDirty = true;
    },
    reconnected: () => live.reconnected(),
    view() {
      if (current && !isDirty) return current;
      isDirty = false;
      current = {
        first,
        last,
        items: rows.items(),
        children: rows.children(),
        open: live.blocks(),
        activity: live.activity(),
        ...turns.summary(),
        session: news.session(),
        agent: news.agent(),
        tasks: news.tasks(),
        erased,
      };
      return current;
    },
  };
}

/** An item without what its event says anyway. */
type RowOf<I extends Item = Item> = I extends Item ? Omit<I, keyof Place | 'key' | 'turnId'> : never;
