import type {
  CanUseTool,
  ElicitationResult,
  OnElicitation,
  PermissionResult,
  PermissionUpdate,
} from '@anthropic-ai/claude-agent-sdk';
import type { Decision } from '../agent.ts';
import type { Asked } from './asked.ts';

const KINDS = new Map([
  ['AskUserQuestion', 'question'],
  ['ExitPlanMode', 'plan'],
] as const);

/** Turns the SDK's signal into one that does not fire when the process dies. */
export type WithdrawalSignal = (signal: AbortSignal) => AbortSignal;

/** Asks a human about tool calls, questions to the user and plans. */
export function askHuman(
  events: Asked,
  withdrawalOf: WithdrawalSignal,
  isAlone: (toolUseId: string) => Promise<boolean>,
): CanUseTool {
  return async (toolName, toolInput, asked) => {
    const suggestions = asked.suggestions ?? [];
    const decision = await events.onQuestion({
      kind: KINDS.get(toolName as 'AskUserQuestion') ?? 'tool',
      toolName,
      toolInput,
      toolUseId: asked.toolUseID,
      agentId: asked.agentID ?? null,
      isAlone: asked.agentID === undefined && (await isAlone(asked.toolUseID)),
      suggestions,
      title: asked.title ?? null,
      description: asked.description ?? null,
      decisionReason: asked.decisionReason ?? null,
      blockedPath: asked.blockedPath ?? null,
      defaultToNo: asked.defaultToNo ?? false,
      signal: withdrawalOf(asked.signal),
    });
    return permissionResult(decision, toolInput, suggestions);
  };
}

function permissionResult(
  decision: Decision,
  toolInput: Record<string, unknown>,
  suggestions: PermissionUpdate[],
): PermissionResult {
  if (!decision.allowed) {
    return { behavior: 'deny', message: decision.message, interrupt: decision.interrupt };
  }
  return {
    behavior: 'allow',
    updatedInput: decision.updatedInput ?? toolInput,
    // Verbatim: rebuilt suggestions can lose rules.
    ...(decision.applySuggestions && { updatedPermissions: suggestions }),
  };
}

/** Asks a human to fill in forms of MCP servers. */
export function askForm(events: Asked, withdrawalOf: WithdrawalSignal): OnElicitation {
  return async (request, { signal }): Promise<ElicitationResult> => {
    const decision = await events.onQuestion({
      kind: 'elicitation',
      toolName: `mcp__${request.serverName}`,
      toolInput: { ...request },
      toolUseId: null,
      agentId: null,
      // The call behind the form is already running: asked again, it would run twice.
      isAlone: false,
      suggestions: [],
      title: request.title ?? request.message,
      description: request.description ?? null,
      decisionReason: null,
      blockedPath: null,
      defaultToNo: false,
      signal: withdrawalOf(signal),
    });
    if (!decision.allowed) return { action: decision.interrupt ? 'cancel' : 'decline' };
    return {
      action: 'accept',
      content: (decision.updatedInput ?? {}) as NonNullable<ElicitationResult['content']>,
    };
  };
}
