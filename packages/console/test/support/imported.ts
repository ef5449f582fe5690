import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { TestServer } from '../../../server/test/support/server.ts';

type Data = Record<string, unknown>;

/** An event of a log that is written by a test: the agent here does not have every tool, and 50,000 events take it hours. */
export interface LogEvent {
  type: string;
  data: Data;
  turn?: string | null;
}

export const assistant = (content: Data, parent: string | null = null): LogEvent => ({
  type: 'agent.message',
  data: { type: 'assistant', parent_tool_use_id: parent, message: { id: randomUUID(), content: [content] } },
});
export const said = (text: string): LogEvent => assistant({ type: 'text', text });

/** A call of a tool and its result. */
export function toolCall(name: string, input: Data, content: unknown, details?: unknown): LogEvent[] {
  const id = `toolu_${randomUUID()}`;
  return [
    assistant({ type: 'tool_use', id, name, input }),
    {
      type: 'agent.message',
      data: {
        type: 'user',
        parent_tool_use_id: null,
        message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content }] },
        ...(details !== undefined && { tool_use_result: details }),
      },
    },
  ];
}

/** A turn with these events in it. */
export function turnOf(message: string, events: readonly LogEvent[], turn = randomUUID()): LogEvent[] {
  const result = {
    turn_id: turn,
    messages: [],
    is_error: false,
    error: null,
    stop_reason: 'end_turn',
    cost_usd: 0.25,
    num_turns: 1,
    usage: null,
    duration_ms: 1_500,
  };
  return [
    { type: 'turn.queued', data: { message }, turn },
    { type: 'turn.started', data: { initiator: 'user' }, turn },
    ...events.map((event) => ({ turn, ...event })),
    { type: 'turn.completed', data: { result }, turn },
  ];
}

/** Puts a session with this log on the server, closed; returns its id. */
export async function importLog(server: TestServer, events: readonly LogEvent[]): Promise<string> {
  const id = randomUUID();
  const start = Date.UTC(2026, 0, 1);
  const at = (seq: number): string => new Date(start + seq * 100).toISOString();
  const created = {
    cwd: server.root,
    model: 'demo',
    permission_mode: 'default',
    title: null,
    forked_from: null,
  };
  const closed = {
    state: 'closed',
    model: 'demo',
    permission_mode: 'default',
    title: 'Imported',
    cwd: server.root,
  };
  const all: LogEvent[] = [
    { type: 'session.created', data: created },
    ...events,
    { type: 'session.state', data: closed },
  ];
  const lines = [
    {
      kind: 'session',
      format: 1,
      session_id: id,
      created_at: at(0),
      last_activity: at(all.length),
      title: 'Imported',
      metadata: {},
      cwd: server.root,
      model: 'demo',
      permission_mode: 'default',
      options: {},
      message_count: 1,
      conversation_id: id,
      has_transcript: false,
      transcript_seen: null,
      forked_from: null,
      last_seq: all.length,
    },
    { kind: 'conversation', conversation_id: id, after_seq: 0, from_disk: false },
    ...all.map(({ type, data, turn = null }, index) => ({
      kind: 'event',
      seq: index + 1,
      at: at(index),
      turn_id: turn,
      type,
      data: 'result' in data ? { ...data, result: { session_id: id, ...(data.result as Data) } } : data,
    })),
  ];
  const response = await fetch(`${server.url}/sessions/import`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.map((line) => JSON.stringify(line)).join('\n'),
  });
  expect([response.status, response.ok ? '' : await response.text()]).toEqual([response.status, '']);
  return id;
}
