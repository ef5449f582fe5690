import type { PermissionRequest } from 'claude-agent-protocol';
import type { PermissionRecord } from '../store/store.ts';

/** A permission request as the API shows it. */
export function permissionView(record: PermissionRecord): PermissionRequest {
  return {
    request_id: record.id,
    session_id: record.sessionId,
    turn_id: record.turnId,
    kind: record.kind,
    tool_name: record.toolName,
    tool_input: record.toolInput,
    tool_use_id: record.toolUseId,
    agent_id: record.agentId,
    suggestions: record.suggestions,
    title: record.title,
    description: record.description,
    decision_reason: record.decisionReason,
    blocked_path: record.blockedPath,
    durable: record.durable,
    default_to_no: record.defaultToNo,
    requested_at: record.requestedAt,
    expires_at: record.expiresAt,
    state: record.state,
    reason: record.reason,
    resolved_at: record.resolvedAt,
    resolved_by: record.resolvedBy,
  };
}
