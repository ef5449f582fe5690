/** The records that the clients of a chaos bench keep: what the server has acknowledged, shown and asked. */
import type { SessionEvent, TurnResult } from 'claude-agent-protocol';

/** One call of a message's script. Its command appends `mark` to the session's file, or `mark+` once its input is edited. */
export interface PlannedCall {
  mark: string;
}

/** A message that a client sent, under one idempotency key however often. */
export interface SentMessage {
  sessionId: string;
  /** Unique; the text of the message holds it. */
  tag: string;
  key: string;
  text: string;
  whenBusy: 'queue' | 'steer';
  /** Turns that an answer named: the message was accepted. */
  acknowledged: Set<string>;
  /** How they ended, as the client was told. */
  results: Map<string, TurnResult>;
}

/** The client's one answer to a permission request. */
export interface GivenAnswer {
  sessionId: string;
  allowed: boolean;
  edited: boolean;
  /** The server has said 200. */
  acknowledged: boolean;
}

/** What one reader of a stream saw over all of its connections. */
export interface ReaderRecord {
  name: string;
  /** undefined: the control events of all sessions. */
  sessionId: string | undefined;
  /** By connection, in order. */
  connections: SeenEvent[][];
  /** Each connection begins with the first event again. */
  restarts: boolean;
}

/** A durable event as it came: the id of its frame, and its data. */
export interface SeenEvent {
  id: number;
  event: SessionEvent;
}

export interface Journal {
  /** Acknowledged sessions, and the file that their calls write to. */
  sessions: Map<string, { file: string; onCrash: 'interrupt' | 'resume' }>;
  messages: SentMessage[];
  answers: Map<string, GivenAnswer>;
  readers: ReaderRecord[];
  /** HTTP answers, by route, status and code. */
  told: Map<string, number>;
  /** Answers that the contract does not have, or that no client of this bench should get. */
  undocumented: string[];
  /** Requests that got no answer: the server was gone. */
  unanswered: number;
}

export const createJournal = (): Journal => ({
  sessions: new Map(),
  messages: [],
  answers: new Map(),
  readers: [],
  told: new Map(),
  undocumented: [],
  unanswered: 0,
});
