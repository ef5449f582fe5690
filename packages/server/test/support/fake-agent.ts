import { randomUUID } from 'node:crypto';
import { setTimeout as sleep, setImmediate as soon } from 'node:timers/promises';
import type { HistoryMessage, UserInput } from 'claude-agent-protocol';
import type { Agent, AgentEvents, AgentProcess, StartOptions, TurnEnd } from '../../src/agent/agent.ts';
import { problem } from '../../src/errors.ts';

/** Nobody answers the agent's questions for so long: it goes on without. */
const PATIENCE_MS = 150;

/** What a process does with a message; the message's own text decides, so that runs can be repeated. */
const HABITS = [
  'answer',
  'answer',
  'answer',
  'ask',
  'ask twice',
  'fail',
  'die',
  'dawdle',
  'work in the background',
] as const;

/** What a process with background work says of it. */
const TASK = { task_id: 'task', task_type: 'local_agent', description: 'research' };

/**
 * An agent without a process, a model or a disk, for tests that need thousands of sessions and turns. It
 * echoes; it also asks, fails, dies and dawdles.
 */
export function createFakeAgent(): Agent {
  const transcripts = new Map<string, { cwd: string; messages: HistoryMessage[] }>();

  const start = async (options: StartOptions, events: AgentEvents): Promise<AgentProcess> => {
    await soon();
    const { conversationId } = options;
    const transcript = transcripts.get(conversationId) ?? { cwd: options.cwd, messages: [] };
    let running = new AbortController();
    let gone = false;

    const say = (text: string, uuid = randomUUID()): void =>
      events.onMessage(
        {
          type: 'assistant',
          uuid,
          parent_tool_use_id: null,
          message: { id: randomUUID(), content: [{ type: 'text', text }] },
        },
        undefined,
      );
    const list = (tasks: (typeof TASK)[]): void =>
      events.onMessage({ type: 'system', subtype: 'background_tasks_changed', tasks }, undefined);
    const report = async (): Promise<void> => {
      await sleep(10);
      if (gone) return;
      events.onMessage(
        { type: 'system', subtype: 'task_notification', task_id: TASK.task_id, status: 'completed' },
        undefined,
      );
      list([]);
      await soon();
      if (gone) return;
      events.onOwnTurn();
      say('a report');
      end(null, null);
      events.onIdle();
    };
    const end = (turnId: string | null, error: TurnEnd['error']): void => {
      events.onMessage(
        { type: 'result', subtype: error ? 'error_during_execution' : 'success' },
        {
          turnId,
          ownInitiative: turnId === null,
          isError: error !== null,
          error,
          stopReason: error ? null : 'end_turn',
          numTurns: 1,
          durationMs: 1,
          usage: { input_tokens: 1, output_tokens: 1 },
          isBooked: false,
          spent: [
            {
              model: options.model ?? 'fake',
              inputTokens: 1,
              outputTokens: 1,
              cacheReadInputTokens: 0,
              cacheCreationInputTokens: 0,
              costUsd: 0.001,
            },
          ],
        },
      );
    };
    const exit = (words: string): void => {
      if (gone) return;
      gone = true;
      running.abort();
      events.onExit({ code: 1, signal: null, words, cut: { spent: [], isBooked: false }, taken: [] });
    };
    const ask = (text: string): Promise<unknown> =>
      events.onQuestion({
        kind: 'tool',
        toolName: 'Echo',
        toolInput: { text },
        toolUseId: randomUUID(),
        agentId: null,
        isAlone: false,
        suggestions: [{ type: 'setMode', mode: 'acceptEdits', destination: 'session' }],
        title: text,
        description: null,
        decisionReason: null,
        blockedPath: null,
        defaultToNo: false,
        signal: AbortSignal.any([running.signal, AbortSignal.timeout(PATIENCE_MS)]),
      });

    const turn = async (turnId: string, input: UserInput): Promise<void> => {
      const stop = new AbortController();
      running = stop;
      const text = typeof input === 'string' ? input : JSON.stringify(input);
      const habit = HABITS[(text.length + (text.codePointAt(0) ?? 0)) % HABITS.length] ?? 'answer';
      transcripts.set(conversationId, transcript);
      transcript.messages.push({ uuid: turnId, type: 'user', message: input, parent_tool_use_id: null });
      await soon();
      events.onTaken(turnId);
      if (habit === 'die') return exit(`could not bear ${text.slice(0, 20)}`);
      events.onDelta({ type: 'stream_event', event: { type: 'message_start' }, parent_tool_use_id: null });
      if (habit === 'ask' || habit === 'ask twice')
        await Promise.all(habit === 'ask' ? [ask(text)] : [ask(text), ask(text)]);
      if (habit === 'dawdle') await sleep(20, null, { signal: stop.signal }).catch(() => {});
      if (gone) return;
      if (stop.signal.aborted) return end(turnId, { code: 'error_during_execution', message: 'interrupted' });
      const uuid = randomUUID();
      say(text, uuid);
      transcript.messages.push({
        uuid,
        type: 'assistant',
        message: text,
        parent_tool_use_id: null,
      });
      if (habit === 'work in the background') {
        list([TASK]);
        void report();
      }
      end(turnId, habit === 'fail' ? { code: 'api_error', message: text } : null);
    };

    return {
      pid: undefined,
      kill: async () => exit('killed'),
      withdraw: async () => false,
      send: (turnId, input) => void turn(turnId, input),
      async interrupt() {
        running.abort();
        return [];
      },
      setModel: async () => {},
      cut: async () => ({ spent: [], isBooked: false }),
      setPermissionMode: async (mode) => events.onPermissionMode(mode),
      serverInfo: async () => ({ commands: [], output_style: 'default', capabilities: [] }),
      stopTask: async () => {},
      contextUsage: async () => ({ totalTokens: transcript.messages.length }),
      commands: async () => [],
      models: async () => [],
      agents: async () => [],
      mcpServers: async () => [{ name: 'box', status: 'connected' }],
      reconnectMcp: async () => {},
      toggleMcp: async () => {},
      async rewindFiles(messageId) {
        const found = transcript.messages.some(({ uuid }) => uuid === messageId);
        const error = found ? null : 'There is no such message.';
        return { can_rewind: found, error, files_changed: [], insertions: 0, deletions: 0 };
      },
      async close() {
        await soon();
        exit('');
      },
    };
  };

  const view = ([conversationId, { cwd }]: [string, { cwd: string }]) => ({
    conversationId,
    modified: new Date(0),
    preview: 'fake',
    title: null,
    cwd,
  });

  return {
    start,
    async transcripts({ cwd, limit, offset, without, only }) {
      const all = [...transcripts]
        .filter(
          ([id, transcript]) =>
            !without.includes(id) &&
            (only?.includes(id) ?? true) &&
            (cwd === undefined || transcript.cwd === cwd),
        )
        .map(view);
      return { transcripts: all.slice(offset, offset + limit), total: all.length, next: null };
    },
    async transcript(conversationId) {
      const transcript = transcripts.get(conversationId);
      return transcript && view([conversationId, transcript]);
    },
    look: async () => undefined,
    parkable: () => false,
    taken: async () => [],
    reserve: () => undefined,
    expect: () => {},
    limitSpares: async () => {},
    restore: async () => {},
    behind: async () => [],
    complete: async () => {},
    keep: async () => {},
    isKept: () => true,
    history: async (conversationId) => transcripts.get(conversationId)?.messages ?? [],
    async fork(sessionId, { upToMessageId }) {
      const source = transcripts.get(sessionId);
      const last = source?.messages.findIndex(({ uuid }) => uuid === upToMessageId) ?? -1;
      if (!source || (upToMessageId !== undefined && last < 0))
        throw problem('cannot_fork', { why: 'There is no such message.' });
      const id = randomUUID();
      transcripts.set(id, { ...source, messages: source.messages.slice(0, last < 0 ? undefined : last + 1) });
      return id;
    },
    rename: async () => {},
    async *files() {},
    addFiles: async () => async () => {},
    async erase(ids) {
      for (const id of ids) transcripts.delete(id);
    },
    sweep: async () => 0,
    close: async () => {},
  };
}
