import type { StreamFrame } from 'claude-agent-protocol';

/** Something that happens in a session; a running turn is started where one is needed. */
export type Step =
  | { do: 'text' | 'thinking'; words: number; finish: boolean }
  | { do: 'tool'; result: boolean; asks: 'no' | 'open' | 'allowed' }
  | { do: 'subagent'; steps: number }
  | { do: 'queue'; after: 'wait' | 'withdraw' }
  | { do: 'steer'; after: 'wait' | 'taken' | 'queued' }
  | { do: 'init' | 'tasks' | 'crash' | 'continued' | 'retry' | 'mode' | 'close' }
  | { do: 'end'; outcome: 'completed' | 'failed' | 'interrupted' };

const SESSION = '00000000-0000-4000-8000-000000000000';
type Data = Record<string, unknown>;

/** The frames of a session's stream in which these steps happen, in the order in which the server sends them. */
export function timelineOf(steps: readonly Step[]): StreamFrame[] {
  const frames: StreamFrame[] = [];
  let [seq, ids] = [0, 0];
  let turn: string | null = null;
  const queue: string[] = [];
  const id = (what: string): string => `${what}-${++ids}`;
  const result = (turnId: string): Data => ({
    session_id: SESSION,
    turn_id: turnId,
    messages: [],
    is_error: false,
    error: null,
    stop_reason: 'end_turn',
    cost_usd: 0.01,
    num_turns: 1,
    usage: null,
    duration_ms: 5,
  });
  const event = (type: string, data: Data, turnId: string | null = turn): void => {
    const at = new Date(1_700_000_000_000 + seq * 1000).toISOString();
    frames.push({
      seq: ++seq,
      at,
      session_id: SESSION,
      turn_id: turnId,
      type,
      data,
    } as unknown as StreamFrame);
  };
  const state = (name: string, mode = 'default'): void =>
    event('session.state', { state: name, model: 'm', permission_mode: mode, title: null, cwd: '/w' }, null);
  const agent = (data: Data): void => event('agent.message', data);
  const stream = (part: Data): void =>
    void frames.push({
      type: 'agent.delta',
      session_id: SESSION,
      turn_id: turn,
      data: { type: 'stream_event', parent_tool_use_id: null, event: part },
    } as StreamFrame);
  const start = (): string => {
    if (turn !== null) return turn;
    let next = queue.shift();
    if (next === undefined) {
      next = id('turn');
      event('turn.queued', { message: `ask ${next}` }, next);
    }
    turn = next;
    event('turn.started', { initiator: 'user' });
    state('running');
    return turn;
  };
  const end = (type: string, more: Data = {}): void => {
    if (turn === null) return;
    event(`turn.${type}`, { result: result(turn), ...more });
    turn = null;
    state('idle');
  };
  const said = (message: string, content: Data, parent: string | null = null): void =>
    agent({ type: 'assistant', parent_tool_use_id: parent, message: { id: message, content: [content] } });
  const block = (type: 'text' | 'thinking', words: number, finish: boolean): void => {
    const message = id('msg');
    const text = Array.from({ length: words }, (_, n) => `w${n} `);
    stream({ type: 'message_start', message: { id: message } });
    stream({ type: 'content_block_start', index: 0, content_block: { type, [type]: '' } });
    for (const word of text)
      stream({ type: 'content_block_delta', index: 0, delta: { type: `${type}_delta`, [type]: word } });
    if (!finish) return;
    said(message, { type, [type]: text.join('') });
    stream({ type: 'content_block_stop', index: 0 });
  };
  const call = (name: string, input: Data, parent: string | null = null): string => {
    const tool = id('toolu');
    said(id('msg'), { type: 'tool_use', id: tool, name, input }, parent);
    return tool;
  };
  const results = (tool: string, parent: string | null = null): void =>
    agent({
      type: 'user',
      parent_tool_use_id: parent,
      message: { content: [{ type: 'tool_result', tool_use_id: tool, content: `did ${tool}` }] },
    });
  const tool = (step: Extract<Step, { do: 'tool' }>): void => {
    const made = call('Bash', { command: 'ls' });
    if (step.asks !== 'no') {
      const request = id('request');
      event('permission.requested', {
        request_id: request,
        tool_name: 'Bash',
        tool_use_id: made,
        state: 'pending',
      });
      if (step.asks === 'allowed')
        event('permission.resolved', {
          request_id: request,
          state: 'allowed',
          reason: 'answered',
          message: null,
          resolved_by: { kind: 'local' },
        });
    }
    if (step.result) results(made);
  };
  const subagent = (count: number): void => {
    const made = call('Task', { description: 'look', prompt: 'look' });
    for (let n = 0; n < count; n += 1) results(call('Read', { file_path: `f${n}` }, made), made);
    results(made);
  };
  const steer = (after: 'wait' | 'taken' | 'queued'): void => {
    const message_id = id('turn');
    const message = `steer ${message_id}`;
    event('turn.steering', { message_id, message });
    if (after === 'taken') event('turn.steered', { message_id, message });
    if (after !== 'queued') return;
    const steered = turn;
    end('completed');
    event('turn.queued', { message, steered }, message_id);
    queue.push(message_id);
  };
  const queued = (after: 'wait' | 'withdraw'): void => {
    const message = id('turn');
    event('turn.queued', { message: `later ${message}` }, message);
    if (after === 'wait') queue.push(message);
    else event('turn.interrupted', { result: result(message), reason: 'cancelled' }, message);
  };

  event(
    'session.created',
    { cwd: '/w', model: 'm', permission_mode: 'default', title: null, forked_from: null },
    null,
  );
  for (const step of steps) {
    if (step.do === 'mode') {
      state('idle', 'plan');
      continue;
    }
    start();
    switch (step.do) {
      case 'text':
      case 'thinking':
        block(step.do, step.words, step.finish);
        break;
      case 'tool':
        tool(step);
        break;
      case 'subagent':
        subagent(step.steps);
        break;
      case 'queue':
        queued(step.after);
        break;
      case 'steer':
        steer(step.after);
        break;
      case 'init':
        agent({
          type: 'system',
          subtype: 'init',
          slash_commands: ['compact', `c${seq}`],
          mcp_servers: [],
          model: 'm',
        });
        break;
      case 'tasks':
        event('session.tasks', { tasks: [{ task_id: `t${seq}` }] }, null);
        break;
      case 'retry':
        agent({ type: 'system', subtype: 'api_retry', attempt: 1, max_retries: 10 });
        break;
      case 'crash':
        end('interrupted', { reason: 'server_restarted' });
        break;
      case 'continued':
        event('turn.continued', { reason: 'server_restarted', cost_usd: 0 });
        break;
      case 'close':
        end('interrupted', { reason: 'session_closed' });
        event('session.closed', {}, null);
        break;
      case 'end':
        end(
          step.outcome,
          step.outcome === 'failed' ? { error: { code: 'x', message: 'y' } } : { reason: 'interrupted' },
        );
    }
  }
  return frames;
}
