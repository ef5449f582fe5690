import type { PermissionRequest, RespondPermission, StreamFrame } from 'claude-agent-protocol';
import type {
  CanUseTool,
  ElicitationRequest,
  OnElicitation,
  PermissionUpdate,
  QueryOptions,
} from './query-options.ts';
import type { AgentSession } from './session.ts';

type Answer = Omit<RespondPermission, 'request_id'>;

interface PermissionDeps {
  session: AgentSession;
  callbacks: Pick<QueryOptions, 'canUseTool' | 'onElicitation'>;
  isOurs(request: PermissionRequest): Promise<boolean>;
  onError(error: unknown): void;
}

/** Answers the permission requests of a session with the program's callbacks. */
export interface QueryPermissions {
  see(frame: StreamFrame): void;
  stop(): void;
}

/** Puts permission requests to the program's callbacks. Without one they are denied, as the SDK does. */
export function createPermissions({ session, callbacks, isOurs, onError }: PermissionDeps): QueryPermissions {
  const open = new Map<string, AbortController>();

  const decide = async (request: PermissionRequest, signal: AbortSignal): Promise<void> => {
    if (!(await isOurs(request))) return;
    const answer =
      request.kind === 'elicitation'
        ? await fillIn(request, callbacks.onElicitation, signal)
        : await permit(request, callbacks.canUseTool, signal);
    if (answer && !signal.aborted) await session.respond({ request_id: request.request_id, ...answer });
  };

  return {
    see(frame: StreamFrame): void {
      if (frame.type === 'permission.requested') {
        const superseded = new AbortController();
        open.set(frame.data.request_id, superseded);
        decide(frame.data, superseded.signal).catch((error: unknown) => {
          if (!superseded.signal.aborted) onError(error);
        });
      } else if (frame.type === 'permission.resolved') {
        open.get(frame.data.request_id)?.abort();
        open.delete(frame.data.request_id);
      }
    },
    stop(): void {
      for (const superseded of open.values()) superseded.abort();
    },
  };
}

/** What the program says about a tool call, a question or a plan. */
async function permit(
  request: PermissionRequest,
  canUseTool: CanUseTool | undefined,
  signal: AbortSignal,
): Promise<Answer> {
  if (!canUseTool) return { allowed: false, message: 'This program gives no permissions (no canUseTool).' };
  const result = await canUseTool(request.tool_name, request.tool_input, {
    signal,
    suggestions: request.suggestions as PermissionUpdate[],
    toolUseID: request.tool_use_id ?? '',
    requestId: request.request_id,
    defaultToNo: request.default_to_no,
    ...(request.agent_id !== null && { agentID: request.agent_id }),
    ...(request.blocked_path !== null && { blockedPath: request.blocked_path }),
    ...(request.decision_reason !== null && { decisionReason: request.decision_reason }),
    ...(request.title !== null && { title: request.title }),
    ...(request.description !== null && { description: request.description }),
  });
  if (result.behavior === 'deny') {
    return { allowed: false, message: result.message, interrupt: result.interrupt ?? false };
  }
  const { updatedInput, updatedPermissions = [] } = result;
  const apply = updatedPermissions.length > 0;
  if (apply && JSON.stringify(updatedPermissions) !== JSON.stringify(request.suggestions)) {
    throw new Error('Over HTTP, updatedPermissions can only be the suggestions as they were given.');
  }
  return { allowed: true, apply_suggestions: apply, ...(updatedInput && { updated_input: updatedInput }) };
}

/** What the program enters into the form of an MCP server; undefined when it answers in another way. */
async function fillIn(
  request: PermissionRequest,
  onElicitation: OnElicitation | undefined,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  if (!onElicitation) return { allowed: false };
  const form = request.tool_input as unknown as ElicitationRequest;
  const result = await onElicitation(form, { signal, requestId: request.request_id });
  if (result === null) return undefined;
  if (result.action === 'accept') return { allowed: true, updated_input: result.content ?? {} };
  return { allowed: false, interrupt: result.action === 'cancel' };
}
