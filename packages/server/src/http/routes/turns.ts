import { createHash } from 'node:crypto';
import { routes, type UserInput, type WaitFor } from 'claude-agent-protocol';
import type { Hono } from 'hono';
import { AppError, problem } from '../../errors.ts';
import { streamSteered, streamTurn } from '../../events/stream.ts';
import { readHistory } from '../../sessions/history.ts';
import { turnView } from '../../sessions/views.ts';
import type { TurnRecord } from '../../store/store.ts';
import type { HttpEnv } from '../auth.ts';
import type { AppDeps } from '../deps.ts';
import { mount, reply } from '../mount.ts';
import { originOf } from '../observe.ts';
import { offsetOf, pageOf } from '../page.ts';
import { sseResponse } from '../sse.ts';

export function turnRoutes(app: Hono<HttpEnv>, { sessions, store, feed, agent }: AppDeps): void {
  mount(app, routes.sendMessage, async ({ params, headers, body }, c) => {
    const session = await sessions.getOpen(params.session_id);
    const { id: sessionId } = session;
    const { turn, replayed } = await session.send({
      input: body.message,
      inputHash: hashOf(body.message, body.wait_for),
      idempotencyKey: headers['idempotency-key'] ?? null,
      whenBusy: body.when_busy,
      waitFor: body.wait_for,
      force: body.force,
      origin: originOf(c),
    });
    c.get('audited')?.note({ turn_id: turn.id });
    c.get('audited')?.accepted();
    // Given to a running turn, the message's answer is that turn's.
    const answeredBy = turn.steers ?? turn.id;
    const more: Record<string, string> = {
      location: `/sessions/${sessionId}/turns/${answeredBy}`,
      ...(turn.steers !== null && { 'message-id': turn.id }),
      ...(replayed && { 'idempotent-replayed': 'true' }),
    };

    if (prefersAsync(headers.prefer)) {
      const { state } = (await store.getTurn(sessionId, answeredBy)) ?? turn;
      const accepted = {
        session_id: sessionId,
        turn_id: answeredBy,
        state,
        ...(turn.steers !== null && { message_id: turn.id }),
      };
      return reply(202, accepted, { ...more, 'preference-applied': 'respond-async' });
    }
    if (headers.accept?.includes('text/event-stream')) {
      const start = await store.turnStart(sessionId, answeredBy);
      if (start === undefined) {
        throw problem('events_compacted', {
          sessionId,
          params: { first_seq: await store.firstSeq(sessionId) },
        });
      }
      if (turn.steers !== null) {
        const into = { sessionId, messageId: turn.id, turnId: turn.steers, start };
        return sseResponse(streamSteered({ store, feed }, into), more);
      }
      const all = body.wait_for === 'background';
      return sseResponse(streamTurn({ store, feed }, { sessionId, turnId: turn.id, start, all }), more);
    }
    const answered = async (): Promise<TurnRecord> => {
      if (body.wait_for === 'background' && turn.steers === null) return session.settled(turn.id);
      const ended = await session.ended(turn.id);
      // The turn that took it may wait for nothing but its own end.
      return ended.state === 'steered' && ended.steers !== null ? session.ended(ended.steers) : ended;
    };
    const { result } = await answered();
    if (result?.error?.code === 'agent_start_failed') {
      throw new AppError(result.error.code, result.error.message);
    }
    // A turn that has ended has one.
    if (result === null) throw problem('internal_error');
    return reply(200, result, more);
  });

  mount(app, routes.listMessages, async ({ params, query }) => {
    const { limit, cursor } = query;
    const offset = cursor === undefined ? query.offset : offsetOf(cursor);
    const { record } = await sessions.look(params.session_id);
    const { conversation_id: conversationId } = query;
    const { messages, conversations, truncated } = await readHistory({ store, agent }, record, {
      limit: limit + 1,
      offset,
      conversationId,
    });
    return {
      ...pageOf('messages', messages, limit, () => String(offset + limit)),
      conversation_id: conversationId ?? record.conversationId,
      conversations,
      truncated,
    };
  });

  mount(app, routes.listTurns, async ({ params, query }) => {
    const { limit, state } = query;
    const after = query.cursor ?? query.after;
    const { id } = (await sessions.look(params.session_id)).record;
    if (after !== undefined && !(await store.getTurn(id, after)))
      throw query.cursor === undefined
        ? problem('turn_not_found', { sessionId: id, id: after })
        : problem('cursor_invalid');
    const turns = await store.listTurns({ sessionId: id, state, after, limit: limit + 1 });
    return pageOf('turns', turns.map(turnView), limit, (last) => last.turn_id);
  });

  mount(app, routes.cancelTurn, async ({ params }) => {
    const session = await sessions.get(params.session_id);
    return turnView(await session.cancel(params.turn_id));
  });

  mount(app, routes.getTurn, async ({ params }) => {
    const { id } = (await sessions.look(params.session_id)).record;
    const turn = await store.getTurn(id, params.turn_id);
    if (!turn) throw problem('turn_not_found', { sessionId: id, id: params.turn_id });
    return turnView(turn);
  });
}

/** Tells requests under one idempotency key apart. Without `wait_for` the message is hashed alone: stored hashes stay valid. */
const hashOf = (message: UserInput, waitFor: WaitFor): string =>
  createHash('sha256')
    .update(JSON.stringify(waitFor === 'turn' ? message : { message, waitFor }))
    .digest('hex');

/** RFC 7240: a comma-separated list of preferences. */
function prefersAsync(prefer: string | undefined): boolean {
  return (prefer ?? '').split(',').some((preference) => preference.trim().toLowerCase() === 'respond-async');
}
