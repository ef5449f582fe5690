/**
 * Judges a chaos bench: compares the clients' records with the store, the transcripts and the side effects. It knows
 * nothing of how servers are started or what happened to them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AgentMessage } from '../../packages/server/src/agent/agent.ts';
import type { PermissionRecord, StoredEvent, TurnRecord } from '../../packages/server/src/store/store.ts';
import { type Evidence, isByAgent, type SessionEvidence, type TranscriptEntry } from './evidence.ts';
import type { Journal, ReaderRecord, SentMessage } from './journal.ts';

/** One sentence for each thing that must not be. */
export interface Findings {
  /** Acknowledged, and not there, not ended, or not what was told. */
  lost: string[];
  /** A call, a message or a turn that ran more than once. */
  twice: string[];
  /** Event numbers that a reader, or the log, misses. */
  gaps: string[];
  /** Event numbers that came again. */
  duplicates: string[];
  /** Permission requests that were neither kept nor settled by their answer. */
  approvals: string[];
  /** Agent processes without their server; filled in by those who look at processes. */
  orphans: string[];
  /** Answers that the contract does not have. */
  undocumented: string[];
}

/** Why a request that is not durable may end without an answer here, and a durable one may not. */
const WITHOUT_ANSWER = new Set(['agent_died', 'server_restarted', 'server_shutdown']);
const TURN_ENDS = /^turn\.(completed|failed|interrupted)$/;

/** @param over everything has ended: nothing may be open any more */
export function check(journal: Journal, evidence: Evidence, { over }: { over: boolean }): Findings {
  const findings: Findings = {
    lost: [],
    twice: [],
    gaps: [],
    duplicates: [],
    approvals: [],
    orphans: [],
    undocumented: [...journal.undocumented],
  };
  for (const id of journal.sessions.keys())
    if (!evidence.get(id)?.events.length) findings.lost.push(`session ${id} is not there`);
  for (const message of journal.messages) checkMessage(findings, message, evidence, over);
  for (const [id, session] of evidence) {
    checkLog(findings, id, session, over);
    checkCalls(findings, id, session);
    checkTranscript(findings, journal, id, session);
    for (const request of session.permissions) checkPermission(findings, journal, session, request, over);
  }
  for (const [requestId, { sessionId, acknowledged }] of journal.answers)
    if (acknowledged && !evidence.get(sessionId)?.permissions.some(({ id }) => id === requestId))
      findings.approvals.push(`request ${requestId} was answered, and is not there`);
  for (const reader of journal.readers) checkReader(findings, reader, evidence, over);
  return findings;
}

/** An accepted message has one turn, which ends as its client was told. */
function checkMessage(
  { lost, twice }: Findings,
  message: SentMessage,
  evidence: Evidence,
  over: boolean,
): void {
  const turns = evidence.get(message.sessionId)?.turns ?? [];
  for (const turnId of message.acknowledged)
    if (!turns.some(({ id }) => id === turnId)) lost.push(`${message.tag}: turn ${turnId} is not there`);
  // A turn that the agent never had gives its key back: the same request may run yet.
  const ran = turns.filter(
    ({ id, idempotencyKey }) => idempotencyKey === message.key || message.results.has(id),
  );
  const kept = turns.filter(({ idempotencyKey }) => idempotencyKey === message.key);
  if (kept.length > 1) twice.push(`${message.tag} has ${kept.length} turns`);
  if (over && message.acknowledged.size > 0 && ran.length === 0) lost.push(`${message.tag} has no turn`);
  if (over && message.results.size === 0) lost.push(`${message.tag} has no result`);
  for (const [turnId, result] of message.results) {
    const turn = turns.find(({ id }) => id === turnId);
    if (!turn) lost.push(`${message.tag}: turn ${turnId} is not there`);
    else if (!isDeepStrictEqual(turn.result, result))
      lost.push(`${message.tag}: the result is not what was told: ${JSON.stringify([turn.result, result])}`);
  }
}

/** The log has no gap; each turn begins and ends once, one after the other, and its row says the same. */
function checkLog(
  { lost, twice, gaps }: Findings,
  id: string,
  session: SessionEvidence,
  over: boolean,
): void {
  const { events, turns } = session;
  events.forEach(({ seq }, index) => {
    if (seq !== index + 1) gaps.push(`the log of ${id} has ${seq} in place ${index + 1}`);
  });
  const count = (turn: TurnRecord, type: RegExp): number =>
    events.filter((event) => event.turnId === turn.id && type.test(event.type)).length;
  for (const turn of turns) {
    if (turn.state === 'steered') continue;
    const [starts, ends] = [count(turn, /^turn\.started$/), count(turn, TURN_ENDS)];
    if (starts > 1) twice.push(`turn ${turn.id} was started ${starts} times`);
    if (ends > 1) twice.push(`turn ${turn.id} ended ${ends} times`);
    if (ends !== (turn.endedAt === null ? 0 : 1))
      lost.push(`turn ${turn.id} is ${turn.state}, and ended ${ends} times`);
    if (over && turn.endedAt === null) lost.push(`turn ${turn.id} is ${turn.state} at the end`);
  }
  let running: string | null = null;
  for (const { type, turnId } of events) {
    if (type === 'turn.started') {
      if (running !== null) twice.push(`turn ${turnId} began while ${running} ran`);
      running = turnId;
    } else if (TURN_ENDS.test(type) && running === turnId) running = null;
  }
}

interface ToolCall {
  id: string;
  mark: string;
  turnId: string | null;
  /** undefined: the log has no result of it. */
  failed: boolean | undefined;
}

/** The calls of a log that leave a mark, with their results. */
function callsOf(events: readonly StoredEvent[]): ToolCall[] {
  const calls = new Map<string, ToolCall>();
  for (const { type, json, turnId } of events) {
    if (type !== 'agent.message') continue;
    const said = JSON.parse(json) as AgentMessage & { message?: { content?: unknown } };
    for (const block of blocksOf(said.message?.content)) {
      const mark = /^echo (\w+)/.exec(String(block.input?.command))?.[1];
      if (block.type === 'tool_use' && mark !== undefined)
        calls.set(String(block.id), { id: String(block.id), mark, turnId, failed: undefined });
      const call = block.type === 'tool_result' ? calls.get(String(block.tool_use_id)) : undefined;
      if (call) call.failed = block.is_error === true;
    }
  }
  return [...calls.values()];
}

interface Block {
  type?: unknown;
  text?: unknown;
  id?: unknown;
  input?: { command?: unknown };
  tool_use_id?: unknown;
  is_error?: unknown;
}

const blocksOf = (content: unknown): Block[] => (Array.isArray(content) ? (content as Block[]) : []);

/** No mark is there twice; one whose call has a result is there once, unless the result is an error. */
function checkCalls({ lost, twice }: Findings, id: string, session: SessionEvidence): void {
  const counts = new Map<string, number>();
  for (const line of session.effects) counts.set(line, (counts.get(line) ?? 0) + 1);
  for (const [mark, count] of counts)
    if (count > 1 || (mark.endsWith('+') && counts.has(mark.slice(0, -1))))
      twice.push(`${mark} of ${id} ran ${count} times${mark.endsWith('+') ? ', or in both forms' : ''}`);
  const isThere = (mark: string): boolean => counts.has(mark) || counts.has(`${mark}+`);
  const calls = callsOf(session.events);
  for (const { mark, failed, id: callId } of calls)
    if (failed === false && !isThere(mark))
      lost.push(`${mark} of ${id} has a result and did not run (${callId})`);
  for (const request of session.permissions) {
    const mark = /^echo (\w+)/.exec(String(request.toolInput.command))?.[1];
    if (mark === undefined || request.state === 'allowed') continue;
    // The call may have been asked for again, in a turn that went on.
    const others = session.permissions.filter(
      (each) => each !== request && String(each.toolInput.command).startsWith(`echo ${mark} `),
    );
    if (isThere(mark) && others.length === 0)
      twice.push(`${mark} of ${id} ran, and its request is ${request.state}`);
  }
}

/** The agent got each message at most once; one whose turn completed is in its conversation. */
function checkTranscript(
  { lost, twice }: Findings,
  journal: Journal,
  id: string,
  { transcript, turns }: SessionEvidence,
): void {
  if (journal.sessions.get(id)?.onCrash === 'resume') return;
  // Nodes have copies of each other's entries, and a compaction writes again what it keeps.
  const got = [
    ...new Map(
      transcript
        .filter(isByAgent)
        .map((entry, index) => [`${entry.uuid ?? index} ${entry.timestamp}`, entry]),
    ).values(),
  ].flatMap(promptOf);
  const prompts = transcript.flatMap(promptOf);
  for (const { sessionId, tag, key } of journal.messages) {
    if (sessionId !== id) continue;
    const has = (prompt: string): boolean => prompt.includes(`${tag}x`);
    const given = got.filter(has).length;
    if (given > 1) twice.push(`the agent got ${tag} of ${id} ${given} times`);
    const turn = turns.find(({ idempotencyKey }) => idempotencyKey === key);
    if (turn?.state === 'completed' && !prompts.some(has))
      lost.push(`the conversation of ${id} does not have ${tag}`);
  }
}

/** The user's words in an entry: a prompt, or a message that the agent took into a turn. */
function promptOf({ type, isSidechain, isCompactSummary, message, attachment }: TranscriptEntry): string[] {
  if (isSidechain || isCompactSummary) return [];
  const content =
    attachment?.type === 'queued_command' ? attachment.prompt : type === 'user' && message?.content;
  if (typeof content === 'string') return [content];
  const texts = blocksOf(content).filter((block) => block.type === 'text');
  return texts.length > 0 ? [texts.map(({ text }) => String(text)).join('\n')] : [];
}

/** A durable request waits, or has the client's answer; another one has that, or the reason of its end. */
function checkPermission(
  { approvals }: Findings,
  journal: Journal,
  { events, turns }: SessionEvidence,
  request: PermissionRecord,
  over: boolean,
): void {
  const { id, state, reason, durable, turnId } = request;
  const say = (words: string): void =>
    void approvals.push(
      `request ${id} (${durable ? 'durable' : 'not durable'}, ${state}, ${reason}) ${words}`,
    );
  const resolved = events.filter(
    ({ type, json }) =>
      type === 'permission.resolved' && (JSON.parse(json) as { request_id: string }).request_id === id,
  ).length;
  if (resolved !== (state === 'pending' ? 0 : 1)) say(`was resolved ${resolved} times in the log`);
  const given = journal.answers.get(id);
  if (state === 'pending') {
    if (over) say('waits at the end');
    if (given?.acknowledged) say('was answered, and waits');
    if (turns.find((turn) => turn.id === turnId)?.state !== 'running') say('waits without its turn');
  } else if (reason === 'answered') {
    if (!given) say('has an answer that nobody gave');
    else if (given.allowed !== (state === 'allowed')) say('has another answer than the one given');
  } else {
    if (given?.acknowledged) say('was answered, and ended otherwise');
    if (durable) say('was lost');
    else if (reason === null || !WITHOUT_ANSWER.has(reason)) say('ended without a reason of this bench');
  }
}

/** A reader saw the events of the log, each once and in order, over all of its connections. */
function checkReader(
  { gaps, duplicates, lost }: Findings,
  reader: ReaderRecord,
  evidence: Evidence,
  over: boolean,
): void {
  const { name, sessionId, connections, restarts } = reader;
  if (sessionId === undefined) {
    checkOrder(
      duplicates,
      name,
      connections.flat().map(({ id }) => id),
    );
    checkControl(gaps, reader, evidence, over);
    return;
  }
  const log = evidence.get(sessionId)?.events ?? [];
  let last = 0;
  for (const seen of connections) {
    if (restarts) last = 0;
    for (const { id, event } of seen) {
      if (id <= last) duplicates.push(`${name} saw ${id} after ${last}`);
      else if (id > last + 1) gaps.push(`${name} saw ${id} after ${last}`);
      last = id;
      const stored = log[id - 1];
      if (!stored) lost.push(`${name} saw ${id}, and it is not there`);
      else if (stored.type !== event.type || !isDeepStrictEqual(JSON.parse(stored.json), event.data))
        lost.push(`${name} saw another ${id}: ${event.type}`);
    }
  }
  if (over && last < log.length) gaps.push(`${name} saw ${last} of ${log.length} events`);
}

function checkOrder(duplicates: string[], name: string, ids: readonly number[]): void {
  ids.forEach((id, index) => {
    const before = ids[index - 1];
    if (before !== undefined && id <= before) duplicates.push(`${name} saw ${id} after ${before}`);
  });
}

/** The stream of all sessions has every control event since the reader's first. */
function checkControl(
  gaps: string[],
  { name, connections }: ReaderRecord,
  evidence: Evidence,
  over: boolean,
): void {
  const ids = connections.flat().map(({ id }) => id);
  const [first, last] = [ids[0] ?? 0, ids.at(-1) ?? 0];
  const seen = new Set(ids);
  for (const [id, { events }] of evidence)
    for (const { cursor, type, seq } of events)
      if (type !== 'agent.message' && cursor >= first && (over || cursor <= last) && !seen.has(cursor))
        gaps.push(`${name} missed ${type} ${seq} of ${id}`);
}
