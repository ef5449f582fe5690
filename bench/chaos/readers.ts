/** Readers of event streams that come back by themselves, from the last event they have seen. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'claude-agent-client';
import type { SessionEvent } from 'claude-agent-protocol';
import { sseFrames } from '../../packages/server/test/support/api.ts';
import type { Journal, ReaderRecord } from './journal.ts';

/**
 * How a reader says where it goes on: by `Last-Event-ID`, by `?after=`, not at all (everything again), or as our client
 * library does it.
 */
export type ReaderKind = 'id' | 'after' | 'again' | 'library';

/** Reads one session's stream, or with undefined that of all sessions, until the signal fires. */
export async function readStream(
  url: () => string,
  journal: Journal,
  { kind, sessionId, signal }: { kind: ReaderKind; sessionId: string | undefined; signal: AbortSignal },
): Promise<void> {
  const record: ReaderRecord = {
    name: `${kind} ${sessionId ?? 'all'}`,
    sessionId,
    connections: [],
    restarts: kind === 'again',
  };
  journal.readers.push(record);
  if (kind === 'library' && sessionId !== undefined) {
    await readByLibrary(url, record, sessionId, signal);
    return;
  }
  const path = sessionId === undefined ? '/events' : `/sessions/${sessionId}/events`;
  let last = 0;
  while (!signal.aborted) {
    try {
      const query = kind === 'after' && last > 0 ? `?after=${last}` : '';
      const response = await fetch(url() + path + query, {
        headers: {
          accept: 'text/event-stream',
          ...((kind === 'id' || sessionId === undefined) && { 'last-event-id': `${last}` }),
        },
        signal,
      });
      if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
      const seen: ReaderRecord['connections'][number] = [];
      record.connections.push(seen);
      for await (const { id, data } of sseFrames(response.body)) {
        if (id === undefined) continue;
        last = Number(id);
        seen.push({ id: last, event: data });
      }
    } catch {
      // the server is gone
    }
    await sleep(50 + Math.random() * 300);
  }
}

async function readByLibrary(
  url: () => string,
  record: ReaderRecord,
  sessionId: string,
  signal: AbortSignal,
): Promise<void> {
  const seen: ReaderRecord['connections'][number] = [];
  record.connections.push(seen);
  for await (const frame of createClient({ baseUrl: url() }).session(sessionId).events({ signal }))
    if ('seq' in frame) seen.push({ id: frame.seq, event: frame as SessionEvent });
}
