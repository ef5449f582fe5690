import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { z } from 'zod';
import type { Change, NewEvent, TurnRecord } from '../../store/store.ts';
import { keep, type Origins } from '../origins.ts';

/** What is known of one session: its open spans, and where later ones belong. */
interface Session {
  turns: Map<string, Spanned>;
  /** Tools that run, and those that started a subagent: its calls may come after its own end. */
  tools: Map<string, Spanned>;
  /** The tool call that started a subagent, by the subagent's id. */
  agents: Map<string, Context>;
  permissions: Map<string, Span>;
  /** The turn that began last: what the agent does between turns belongs to it. */
  last: Context | undefined;
}

interface Spanned {
  span: Span;
  context: Context;
}

/** Spans of turns, tools, subagents and permissions, from what is written of a session. */
export interface SessionSpans {
  onChange(change: Change): void;
  /**
   * Where a model call belongs: to the turn that runs, or the subagent that makes it. A subagent's first call can be
   * quicker than the message that tells of its start: that is waited for.
   */
  contextOf(sessionId: string, agentId: string | undefined): Promise<Context | undefined>;
}

/** Sessions that are followed at a time; the one that was quiet longest is forgotten. */
const MOST_SESSIONS = 2_000;
const MOST_TOOLS = 1_000;
/** A message is a commit or two behind: 20 ms on a busy disk. */
const STEP_MS = 5;
const MOST_STEPS = 20;

/** The tools that start a subagent, by their names in different versions. */
const SUBAGENT_TOOLS: ReadonlySet<string> = new Set(['Task', 'Agent']);

/** The parts of the agent's messages that spans are made from. */
const Said = z.union([
  z.looseObject({
    type: z.enum(['assistant', 'user']),
    parent_tool_use_id: z.string().nullish(),
    message: z.looseObject({ content: z.array(z.looseObject({ type: z.string() })) }),
  }),
  z.looseObject({
    type: z.literal('system'),
    subtype: z.literal('task_started'),
    task_id: z.string(),
    tool_use_id: z.string(),
  }),
]);
const ToolUse = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.looseObject({ subagent_type: z.string().optional() }).catch({}),
});
const ToolResult = z.object({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  is_error: z.boolean().optional(),
});

export function createSessionSpans(tracer: Tracer, origins: Pick<Origins, 'of'>): SessionSpans {
  const sessions = new Map<string, Session>();

  const sessionOf = (id: string): Session => {
    const session = sessions.get(id) ?? {
      turns: new Map(),
      tools: new Map(),
      agents: new Map(),
      permissions: new Map(),
      last: undefined,
    };
    keep(sessions, id, session, MOST_SESSIONS);
    return session;
  };

  const beginTurn = (turn: TurnRecord): void => {
    const session = sessionOf(turn.sessionId);
    // A turn of the agent's own reports on something that an earlier one began.
    const parent = origins.of(turn.id)?.context ?? (turn.initiator === 'agent' ? session.last : undefined);
    const span = tracer.startSpan(
      'invoke_agent claude-code',
      {
        startTime: new Date(turn.createdAt),
        attributes: {
          'gen_ai.operation.name': 'invoke_agent',
          'gen_ai.provider.name': 'anthropic',
          'gen_ai.agent.name': 'claude-code',
          'gen_ai.conversation.id': turn.sessionId,
          'claude_agent.turn_id': turn.id,
          'claude_agent.initiator': turn.initiator,
          ...requestAttribute(origins.of(turn.id)?.requestId),
        },
      },
      parent ?? ROOT_CONTEXT,
    );
    const context = trace.setSpan(parent ?? ROOT_CONTEXT, span);
    session.turns.set(turn.id, { span, context });
    if (turn.state === 'running') startTurn(session, turn.id);
  };

  const startTurn = (session: Session, id: string): void => {
    const turn = session.turns.get(id);
    if (!turn) return;
    turn.span.addEvent('started');
    session.last = turn.context;
  };

  const updateTurn = ({ sessionId, id, set }: Change & { kind: 'update-turn' }): void => {
    const session = sessions.get(sessionId);
    const turn = session?.turns.get(id);
    if (!session || !turn) return;
    if (set.state === 'running') startTurn(session, id);
    if (set.state === undefined || set.state === 'running' || set.state === 'queued') return;
    session.turns.delete(id);
    const { result } = set;
    turn.span.setAttribute('claude_agent.result', set.state);
    if (result) {
      const { input_tokens: input, output_tokens: output } = result.usage ?? {};
      turn.span.setAttributes({
        'claude_agent.cost_usd': result.cost_usd,
        ...(typeof input === 'number' && { 'gen_ai.usage.input_tokens': input }),
        ...(typeof output === 'number' && { 'gen_ai.usage.output_tokens': output }),
        ...(result.stop_reason !== null && { 'gen_ai.response.finish_reasons': [result.stop_reason] }),
      });
      if (result.error) fail(turn.span, result.error.code);
    }
    turn.span.end();
    if (session.turns.size > 0) return;
    // What was cut off has no result.
    for (const { span } of session.tools.values()) span.end();
  };

  const useTool = (session: Session, use: z.output<typeof ToolUse>, parent: Context): void => {
    const { id, name, input } = use;
    if (session.tools.has(id)) return;
    const isAgent = SUBAGENT_TOOLS.has(name);
    const agentName = input.subagent_type ?? 'subagent';
    const span = tracer.startSpan(
      isAgent ? `invoke_agent ${agentName}` : `execute_tool ${name}`,
      {
        attributes: {
          'gen_ai.operation.name': isAgent ? 'invoke_agent' : 'execute_tool',
          'gen_ai.tool.name': name,
          'gen_ai.tool.call.id': id,
          'gen_ai.tool.type': 'function',
          ...(isAgent && { 'gen_ai.agent.name': agentName }),
        },
      },
      parent,
    );
    keep(session.tools, id, { span, context: trace.setSpan(parent, span) }, MOST_TOOLS);
  };

  const follow = ({ sessionId, turnId, json }: NewEvent): void => {
    const session = sessions.get(sessionId);
    if (!session) return;
    const said = Said.safeParse(JSON.parse(json)).data;
    if (!said) return;
    if (said.type === 'system') {
      const started = session.tools.get(said.tool_use_id);
      if (started) keep(session.agents, said.task_id, started.context, MOST_TOOLS);
      return;
    }
    const parent =
      session.tools.get(said.parent_tool_use_id ?? '')?.context ??
      session.turns.get(turnId ?? '')?.context ??
      session.last;
    for (const block of said.message.content) {
      const use = ToolUse.safeParse(block).data;
      if (use && parent) useTool(session, use, parent);
      const result = ToolResult.safeParse(block).data;
      if (!result) continue;
      const tool = session.tools.get(result.tool_use_id);
      if (result.is_error) fail(tool?.span, 'tool_error');
      tool?.span.end();
    }
  };

  return {
    onChange(change) {
      if (change.kind === 'insert-turn') {
        if (change.turn.steers === null) beginTurn(change.turn);
      } else if (change.kind === 'update-turn') updateTurn(change);
      else if (change.kind === 'event') {
        if (change.event.type === 'agent.message') follow(change.event);
      } else if (change.kind === 'insert-permission') {
        const { id, sessionId, turnId, toolName, toolUseId, kind } = change.permission;
        const session = sessionOf(sessionId);
        const parent =
          session.tools.get(toolUseId ?? '')?.context ??
          session.turns.get(turnId ?? '')?.context ??
          session.last;
        const attributes = { 'gen_ai.tool.name': toolName, 'claude_agent.permission.kind': kind };
        session.permissions.set(id, tracer.startSpan(`permission ${toolName}`, { attributes }, parent));
      } else if (change.kind === 'settle-permission') {
        const permissions = sessions.get(change.sessionId)?.permissions;
        const span = permissions?.get(change.id);
        span?.setAttributes({
          'claude_agent.permission.state': change.state,
          'claude_agent.permission.reason': change.reason,
        });
        span?.end();
        permissions?.delete(change.id);
      } else if (change.kind === 'hide-session') sessions.delete(change.id);
    },
    async contextOf(sessionId, agentId) {
      const session = sessions.get(sessionId);
      if (agentId === undefined || !session) return session?.last;
      for (let step = 0; step < MOST_STEPS && !session.agents.has(agentId); step++) await sleep(STEP_MS);
      const context = session.agents.get(agentId) ?? session.last;
      // One that no message tells of is not waited for again.
      if (context) keep(session.agents, agentId, context, MOST_TOOLS);
      return context;
    },
  };
}

const requestAttribute = (id: string | undefined) =>
  id === undefined ? {} : { 'claude_agent.request_id': id };

function fail(span: Span | undefined, type: string): void {
  span?.setAttribute('error.type', type);
  span?.setStatus({ code: SpanStatusCode.ERROR });
}
