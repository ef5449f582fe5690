import { z } from 'zod';
import type { ProblemCode } from '../problems.ts';
import { SessionId } from '../schemas/common.ts';

/** A route of one session. */
export const session = { params: z.object({ session_id: SessionId }) };

/** Reasons for which an agent does not start: the session's state, its folder, or the present configuration. */
export const STARTING = [
  'session_not_found',
  'session_closed',
  'server_stopping',
  'agents_busy',
  'own_agents_busy',
  'cwd_not_allowed',
  'cwd_not_found',
  'cwd_gone',
  'cwd_not_accessible',
  'no_tenant_uid',
  'workspace_unavailable',
  'permission_mode_forbidden',
  'bypass_needs_sandbox',
  'trust_forbidden',
  'unasked_not_allowed',
  'policy_forbids',
  'callback_not_allowed',
  'network_not_limitable',
  'secrets_not_possible',
  'secret_not_found',
  'secret_unavailable',
  'validation_failed',
  'agent_start_failed',
] as const satisfies readonly ProblemCode[];

/** Failures of a question to the agent, which is started for it. */
export const ASKING = [
  ...STARTING,
  'agent_refused',
  'agent_not_answering',
] as const satisfies readonly ProblemCode[];

/** Another program uses the conversation. */
export const SHARED = [
  'conversation_in_use',
  'conversation_diverged',
] as const satisfies readonly ProblemCode[];
