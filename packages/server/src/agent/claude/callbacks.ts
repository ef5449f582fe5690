import type {
  HookCallback,
  HookCallbackMatcher,
  HookInput,
  HookJSONOutput,
  Options,
} from '@anthropic-ai/claude-agent-sdk';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';
import type { SessionOptions } from 'claude-agent-protocol';
import { VERSION } from '../../version.ts';
import type { Asked } from './asked.ts';
import type { WithdrawalSignal } from './questions.ts';

/** The agent's timeout exceeds ours by this much, so that it gets our reason and not a bare timeout. */
const GRACE_SECONDS = 10;

/** Hooks that the caller decides. */
export function hookOptions(
  { hooks = {} }: SessionOptions,
  events: Asked,
  withdrawalOf: WithdrawalSignal,
): Pick<Options, 'hooks'> {
  const all = Object.entries(hooks).map(([event, matchers]) => {
    const callbacks = matchers.map(({ matcher, url, timeout, on_failure }, index) => {
      const ask: HookCallback = async (input, toolUseId, { signal }) => {
        const asked = await events.onCall({
          kind: 'hook',
          event: event as keyof typeof hooks,
          index,
          input: { ...input },
          tool_use_id: toolUseId ?? null,
          url,
          timeoutSeconds: timeout,
          signal: withdrawalOf(signal),
        });
        return asked.ok ? (asked.answer as HookJSONOutput) : undecided(input, asked.message, on_failure);
      };
      return {
        hooks: [ask],
        timeout: timeout + GRACE_SECONDS,
        onFailure: on_failure,
        ...(matcher !== undefined && { matcher }),
      };
    });
    return [event, callbacks];
  });
  return all.length > 0 ? { hooks: Object.fromEntries(all) } : {};
}

/** A store that fails may be away for long, and the call must not run before it is back. */
const RECORD_WITHIN_SECONDS = 24 * 3600;

/** Lets every tool call wait until it is recorded, and decides nothing. */
export function recordFirst(events: Asked): HookCallbackMatcher {
  const wait: HookCallback = async (_, toolUseId) => {
    if (toolUseId !== undefined) await events.onBeforeCall(toolUseId);
    return {};
  };
  return { hooks: [wait], timeout: RECORD_WITHIN_SECONDS };
}

/**
 * The result of a hook that gave no decision. The agent has `onFailure` too, but hides the reason from the model
 * (measured: "the SDK host replied with an error"); a denial with a reason passes it on.
 */
function undecided(input: HookInput, message: string, onFailure: 'block' | 'continue'): HookJSONOutput {
  const reason = `The hook gave no decision, so this is not allowed. ${message}`;
  if (onFailure === 'block' && input.hook_event_name === 'PreToolUse') {
    return {
      hookSpecificOutput: {
        hookEventName: 'PreToolUse',
        permissionDecision: 'deny',
        permissionDecisionReason: reason,
      },
    };
  }
  if (onFailure === 'block' && input.hook_event_name === 'UserPromptSubmit') {
    return { decision: 'block', reason };
  }
  throw new Error(message);
}

/** In-process MCP servers with the caller's tools. */
export function toolServers(
  { custom_tools: tools = [] }: SessionOptions,
  events: Asked,
  withdrawalOf: WithdrawalSignal,
): NonNullable<Options['mcpServers']> {
  return Object.fromEntries(
    [...Map.groupBy(tools, ({ server }) => server)].map(([name, mine]) => {
      const instance = new McpServer({ name, version: VERSION }, { capabilities: { tools: {} } });
      // The low-level class, because the high-level one does not take JSON Schemas.
      instance.server.setRequestHandler(ListToolsRequestSchema, () => ({
        tools: mine.map(
          ({ name, description, input_schema }) =>
            ({ name, description, inputSchema: { ...input_schema, type: 'object' } }) as Tool,
        ),
      }));
      instance.server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
        const tool = mine.find((each) => each.name === params.name);
        if (!tool) return failed(`There is no tool ${params.name}.`);
        const asked = await events.onCall({
          kind: 'tool',
          server: name,
          name: tool.name,
          input: params.arguments ?? {},
          tool_use_id: toolUseId(params._meta),
          url: tool.url,
          timeoutSeconds: tool.timeout,
          signal: withdrawalOf(signal),
        });
        return asked.ok ? toolResult(asked.answer) : failed(asked.message);
      });
      const timeout = (Math.max(...mine.map((tool) => tool.timeout)) + GRACE_SECONDS) * 1000;
      return [name, { type: 'sdk' as const, name, instance, timeout }];
    }),
  );
}

/** The agent puts the id of the call into the request's `_meta`. */
function toolUseId(meta: Record<string, unknown> | undefined): string | null {
  const id = meta?.['claudecode/toolUseId'];
  return typeof id === 'string' ? id : null;
}

function toolResult({ content, is_error, structured_content }: Record<string, unknown>): CallToolResult {
  return {
    content: typeof content === 'string' ? [{ type: 'text', text: content }] : content,
    isError: is_error === true,
    ...(structured_content !== undefined && { structuredContent: structured_content }),
  } as CallToolResult;
}

const failed = (text: string): CallToolResult => ({ content: [{ type: 'text', text }], isError: true });
