import { isDurable } from 'claude-agent-client';
import type { PartialBlock, SessionEvent, StreamFrame, TurnEndEvent } from 'claude-agent-protocol';
import { isTurnEnd, outcomeOf } from 'claude-agent-protocol/reasons';
import { readAgentMessage, readStreamEvent } from './agent-messages.ts';
import type { Item } from './items.ts';
import { advance, newBlock, seal } from './open-block.ts';
import type { Reduced, ViewState } from './state.ts';

/** What a frame changes on the screen. A durable event that was seen before changes nothing. */
export function reduce(view: ViewState, frame: StreamFrame): Reduced {
  // Deltas of a turn that is over: the log had all of it.
  const isLate = !isDurable(frame) && frame.turn_id !== null && frame.turn_id === view.endedTurn;
  if (isLate) return { view, items: [] };
  if (frame.type === 'agent.delta') {
    const { data } = frame;
    return data.type === 'stream_event' ? readStreamEvent(view, data) : readAgentMessage(view, data);
  }
  if (frame.type === 'agent.partial') return readPartial(view, frame.data.blocks);
  if (frame.type === 'session.erased') return { view: { ...view, state: 'closed' }, items: [] };
  if (frame.seq <= view.lastSeq) return { view, items: [] };
  return reduceEvent({ ...view, lastSeq: frame.seq }, frame);
}

const PARKED = 'The agent process was let go while this waits for an answer. The answer starts it again.';
const RESUMED = 'The agent is back and goes on.';

function reduceEvent(view: ViewState, event: SessionEvent): Reduced {
  if (isTurnEnd(event)) return endTurn(view, event);
  const items: Item[] = [];
  switch (event.type) {
    case 'session.created': {
      const { cwd, model, permission_mode: mode, title } = event.data;
      return { view: { ...view, cwd, model, mode, title }, items };
    }
    case 'session.state': {
      const { state, model, permission_mode: mode, title } = event.data;
      return { view: { ...view, state, model, mode, title }, items };
    }
    case 'session.tasks':
      return { view: { ...view, tasks: event.data.tasks }, items };
    case 'session.closed':
      return { view: { ...view, state: 'closed', queued: [], permissions: [], tasks: [] }, items };
    case 'turn.queued': {
      const turnId = event.turn_id ?? '';
      return {
        view: { ...view, queued: [...view.queued, { turnId, message: event.data.message }] },
        items,
      };
    }
    case 'turn.started': {
      const id = event.turn_id ?? '';
      const message = view.queued.find((queued) => queued.turnId === id)?.message;
      if (message !== undefined) items.push({ kind: 'user', message });
      else if (event.data.initiator === 'agent') items.push({ kind: 'own', message: event.data.message });
      const turn = { id, startedAt: Date.parse(event.at), position: 0, outputTokens: 0, inputTokens: 0 };
      return {
        view: {
          ...view,
          turn,
          turns: view.turns + 1,
          status: undefined,
          queued: view.queued.filter((q) => q.turnId !== id),
        },
        items,
      };
    }
    case 'turn.waiting': {
      const { turn } = view;
      if (turn?.id !== event.turn_id) return { view, items };
      return { view: { ...view, turn: { ...turn, position: event.data.position } }, items };
    }
    case 'turn.parked':
      items.push({ kind: 'notice', level: 'info', text: PARKED });
      return { view, items };
    case 'turn.resumed':
      items.push({ kind: 'notice', level: 'info', text: RESUMED });
      return { view, items };
    case 'permission.requested': {
      const rest = view.permissions.filter((open) => open.request_id !== event.data.request_id);
      return { view: { ...view, permissions: [...rest, event.data] }, items };
    }
    case 'permission.resolved': {
      const { request_id: id, state, reason } = event.data;
      const request = view.permissions.find((open) => open.request_id === id);
      if (request !== undefined) items.push({ kind: 'settled', request, state, reason });
      return { view: { ...view, permissions: view.permissions.filter((r) => r.request_id !== id) }, items };
    }
    case 'agent.message':
      return readAgentMessage(view, event.data);
    default:
      // A newer server has events that this program does not know: they change nothing here.
      return { view, items };
  }
}

function endTurn(view: ViewState, event: Extract<SessionEvent, { type: TurnEndEvent }>): Reduced {
  const queued = view.queued.filter((waiting) => waiting.turnId !== event.turn_id);
  const neverRan = queued.length < view.queued.length;
  const items: Item[] = [];
  if (!neverRan) {
    // An interrupt cuts text and tools off: what was on the screen stays there.
    items.push(...view.blocks.flatMap((block) => seal(block, block.text)));
    items.push(...view.tools.map((call): Item => ({ kind: 'tool', call })));
  }
  const result = event.data.result;
  items.push({
    kind: 'end',
    outcome: outcomeOf(event),
    result,
    error: event.type === 'turn.failed' ? event.data.error : undefined,
    reason: event.type === 'turn.interrupted' ? event.data.reason : undefined,
  });
  const ended: ViewState = { ...view, queued, costUsd: view.costUsd + result.cost_usd };
  if (neverRan) return { view: ended, items };
  const endedTurn = event.turn_id ?? undefined;
  return { view: { ...ended, turn: undefined, endedTurn, blocks: [], tools: [], status: undefined }, items };
}

/** After joining or reconnecting: what the blocks that are being written hold so far. */
function readPartial(view: ViewState, partial: readonly PartialBlock[]): Reduced {
  const items: Item[] = [];
  const blocks = [...view.blocks];
  let { messageId } = view;
  for (const part of partial) {
    if (part.parent_tool_use_id !== null) continue;
    messageId = part.message_id;
    const at = blocks.findIndex((b) => b.messageId === part.message_id && b.index === part.index);
    const known = blocks[at] ?? newBlock(part.message_id, part.index, part.type, part.name);
    // What we have may be longer: deltas are never behind the log, but the partial frame may be older than they.
    const text = part.text.length >= known.text.length ? part.text : known.text;
    const advanced = advance({ ...known, text });
    items.push(...advanced.items);
    if (at === -1) blocks.push(advanced.block);
    else blocks[at] = advanced.block;
  }
  return { view: { ...view, blocks, messageId }, items };
}
