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

/** Makes of the SDK's signal one that does not fire for the death of the process. */
export type Moot = (signal: AbortSignal) => AbortSignal;

/** Tools, questions to the user and plans, put to a human. */
export function askHuman(
  events: Asked,
  moot: Moot,
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
      signal: moot(asked.signal),
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
    // Verbatim: rebuilding suggestions is how others lost rules.
    ...(decision.applySuggestions && { updatedPermissions: suggestions }),
  };
}

/** Forms of MCP servers, put to a human. */
export function askForm(events: Asked, moot: Moot): OnElicitation {
  return async (request, { signal }): Promise<ElicitationResult> => {
    const decision = await events.onQuestion({
      kind: 'elicitation',
      toolName: `mcp__${request.serverName}`,
      toolInput: { ...request },
      toolUseId: null,
      agentId: null,
      // The call that brought the form runs already: asked again, it would run twice.
      isAlone: false,
      suggestions: [],
      title: request.title ?? request.message,
      description: request.description ?? null,
      decisionReason: null,
      blockedPath: null,
      defaultToNo: false,
      signal: moot(signal),
    });
    if (!decision.allowed) return { action: decision.interrupt ? 'cancel' : 'decline' };
    return {
      action: 'accept',
      content: (decision.updatedInput ?? {}) as NonNullable<ElicitationResult['content']>,
    };
  };
}
