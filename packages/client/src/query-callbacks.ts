import type { CreateSession, HookEvent, PendingCall, StreamFrame } from 'claude-agent-protocol';
import { UnsupportedOption } from './errors.ts';
import type { AgentSession } from './session.ts';

/** What a hook is told; which further fields there are depends on the event. */
export interface HookInput {
  hook_event_name: string;
  session_id: string;
}

interface Callback {
  call(
    input: HookInput,
    toolUseID: string | undefined,
    options: { signal: AbortSignal },
  ): Promise<object> | object;
}
/** Written as a method, so that a function fits whose input is the agent SDK's narrower type. */
export type HookCallback = Callback['call'];

/** The same as the agent SDK's. */
export interface HookCallbackMatcher {
  matcher?: string;
  hooks: HookCallback[];
  /** Seconds; at most an hour. */
  timeout?: number;
  onFailure?: 'continue' | 'block';
}

export type HookOptions = Partial<Record<HookEvent, HookCallbackMatcher[]>>;

/** A server of createSdkMcpServer: it lives in this program, and its tools are called here. */
export interface InProcessServer {
  type: 'sdk';
  name: string;
  instance: { connect(transport: never): Promise<void>; close(): Promise<void> };
}

/** They are asked while the session is being made, or is gone: nobody follows its events then. */
const OUT_OF_REACH: readonly string[] = ['Setup', 'SessionStart', 'SessionEnd'];
const MAX_SECONDS = 3600;

type Flat = { event: HookEvent; index: number; callback: HookCallback };

/** What of a program is called back over the session's events, and what the session has to know of it. */
export interface Callbacks {
  fields: Pick<CreateSession, 'hooks' | 'custom_tools'>;
  /** Answers what is asked in a frame. */
  see(session: AgentSession, frame: StreamFrame): void;
  stop(): Promise<void>;
}

/**
 * Connects the program's hooks and in-process servers.
 * @throws UnsupportedOption for hooks that cannot be asked over HTTP
 */
export async function connectCallbacks(
  hooks: HookOptions,
  servers: Record<string, InProcessServer>,
  onError: (error: unknown) => void,
): Promise<Callbacks> {
  const unreachable = Object.keys(hooks).filter((event) => OUT_OF_REACH.includes(event));
  if (unreachable.length > 0) throw new UnsupportedOption(unreachable.map((event) => `hooks.${event}`));
  const flat = Object.entries(hooks).map(([event, matchers]) => {
    const each = matchers.flatMap(({ hooks: callbacks, ...how }) =>
      callbacks.map((callback) => ({ callback, how })),
    );
    return [event as HookEvent, each] as const;
  });
  const callbacks: Flat[] = flat.flatMap(([event, each]) =>
    each.map(({ callback }, index) => ({ event, index, callback })),
  );
  const connections = new Map(
    await Promise.all(
      Object.entries(servers).map(async ([name, { instance }]) => [name, await connect(instance)] as const),
    ),
  );
  const tools = [...connections].flatMap(([server, { tools }]) =>
    tools.map(({ name, description, inputSchema }) => ({
      server,
      name,
      description: description || name,
      input_schema: inputSchema,
      timeout: MAX_SECONDS,
    })),
  );
  const open = new Map<string, AbortController>();

  const answer = async (session: AgentSession, call: PendingCall, signal: AbortSignal): Promise<void> => {
    const { request_id } = call;
    if (call.kind === 'hook') {
      const mine = callbacks.find(({ event, index }) => event === call.event && index === call.index);
      if (!mine) return;
      const output = await mine.callback(call.input as unknown as HookInput, call.tool_use_id ?? undefined, {
        signal,
      });
      if (!signal.aborted) await session.respondHook({ request_id, output: { ...output } });
    } else {
      const result = await connections.get(call.server)?.call(call.name, call.input);
      if (result && !signal.aborted) await session.respondTool({ request_id, ...result });
    }
  };

  return {
    fields: {
      hooks: Object.fromEntries(
        flat.map(([event, each]) => [
          event,
          each.map(({ how: { matcher, timeout, onFailure } }) => ({
            ...(matcher !== undefined && { matcher }),
            ...(timeout !== undefined && { timeout: Math.min(timeout, MAX_SECONDS) }),
            on_failure: onFailure ?? ('continue' as const),
          })),
        ]),
      ),
      custom_tools: tools,
    },
    see(session, frame) {
      if (frame.type === 'hook.requested' || frame.type === 'tool.requested') {
        const settled = new AbortController();
        open.set(frame.data.request_id, settled);
        answer(session, frame.data, settled.signal).catch((error: unknown) => {
          if (!settled.signal.aborted) onError(error);
        });
      } else if (frame.type === 'hook.resolved' || frame.type === 'tool.resolved') {
        open.get(frame.data.request_id)?.abort();
        open.delete(frame.data.request_id);
      }
    },
    async stop() {
      for (const settled of open.values()) settled.abort();
      await Promise.all(Object.values(servers).map(({ instance }) => instance.close()));
    },
  };
}

interface ToolListing {
  name: string;
  description?: string;
  inputSchema: Record<string, unknown>;
}
interface ToolResult {
  content: { type: string }[];
  is_error: boolean;
}
interface Reply {
  id?: number;
  result?: { tools?: ToolListing[]; content?: { type: string }[]; isError?: boolean };
  error?: { message: string };
}

/** Speaks MCP with a server in this program: the three requests that there are to make. */
async function connect(instance: InProcessServer['instance']) {
  const waiting = new Map<number, (reply: Reply) => void>();
  let last = 0;
  const transport = {
    onmessage: undefined as ((message: object) => void) | undefined,
    start: async () => {},
    close: async () => {},
    send: async (message: Reply) => {
      if (message.id !== undefined) waiting.get(message.id)?.(message);
    },
  };
  const request = async (method: string, params: object): Promise<NonNullable<Reply['result']>> => {
    const id = ++last;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    waiting.set(id, resolve);
    transport.onmessage?.({ jsonrpc: '2.0', id, method, params });
    const { result, error } = await promise;
    waiting.delete(id);
    if (!result) throw new Error(error?.message ?? `The in-process server gave no result for ${method}.`);
    return result;
  };
  await instance.connect(transport as never);
  await request('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'claude-agent-client', version: '1' },
  });
  transport.onmessage?.({ jsonrpc: '2.0', method: 'notifications/initialized' });
  const { tools = [] } = await request('tools/list', {});
  return {
    tools,
    async call(name: string, args: Record<string, unknown>): Promise<ToolResult> {
      try {
        const { content = [], isError } = await request('tools/call', { name, arguments: args });
        return { content, is_error: isError ?? false };
      } catch (error) {
        return { content: [{ type: 'text', text: String(error) } as { type: string }], is_error: true };
      }
    },
  };
}
