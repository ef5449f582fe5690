import { define, type FieldError, RETRYABLE, saidOf } from './define.ts';

/** What a session and its agent cannot do. */
export const sessionProblems = {
  // sessions
  session_not_found: define(404, 'No such session', ({ id, resuming }: { id: string; resuming?: boolean }) =>
    resuming
      ? `There is no session ${id} to resume. GET /sessions/available lists the sessions that can be resumed.`
      : `There is no session ${id} here. List sessions with GET /sessions, or resumable ones with GET /sessions/available.`,
  ),
  too_many_sessions: define(
    409,
    'Too many sessions are open',
    ({ limit }: { limit: number }) =>
      `${limit} sessions are open, the maximum of this server (max_sessions). Close some with DELETE /sessions/{id}; their history stays.`,
  ),
  session_closed: define(
    409,
    'The session is closed',
    ({ id }: { id: string }) =>
      `Session ${id} is closed. Reopen it with POST /sessions {"resume_session_id": "${id}"}.`,
  ),
  session_busy: define(
    409,
    'A turn is running',
    ({ rewinding }: { rewinding: boolean }) =>
      rewinding
        ? 'A turn is running. Wait for it or interrupt it, then rewind.'
        : 'A turn is running. Wait for it, or send with when_busy "queue", "interrupt" or "steer".',
    RETRYABLE,
  ),
  options_need_restart: define(
    409,
    'A running agent cannot take these options',
    ({ id, fields }: { id: string; fields: readonly string[]; errors: readonly FieldError[] }) => {
      const them = fields.length === 1 ? 'it' : 'them';
      return `Session ${id} has a running agent, which takes ${fields.join(', ')} only when it starts. Close the session (DELETE /sessions/${id}) and resume it with ${them}, or leave ${them} out. Nothing was changed.`;
    },
  ),
  nothing_to_fork: define(
    409,
    'The session has no conversation yet',
    ({ id }: { id: string }) => `Session ${id} has no conversation yet. Send it a message first.`,
  ),
  cannot_fork: define(
    409,
    'The conversation cannot be forked',
    ({ why }: { why: string }) => `The conversation cannot be forked: ${why}`,
  ),
  conversation_not_found: define(
    404,
    'No such conversation',
    ({ sessionId, id, known }: { sessionId: string; id: string; known: readonly string[] }) =>
      `Session ${sessionId} has no conversation ${id}. It has: ${known.join(', ')}.`,
  ),
  conversation_in_use: define(
    409,
    'Another process has the conversation open',
    ({ id, holder }: { id: string; holder: number }) =>
      `Another Claude Code (process ${holder}) has the conversation of session ${id} open, and the two would lose each other's messages. Close it there, or send the request again with "force": true.`,
  ),
  conversation_diverged: define(
    409,
    'Another process continued the conversation',
    ({ id, message }: { id: string; message: string }) =>
      `Another program continued the conversation of session ${id}: message ${message} in its transcript was not sent here. Send the request again with "force": true to go on; the agent then knows everything in its transcript.`,
  ),
  events_compacted: define(
    410,
    'These events were removed. Of one session, `params.first_seq` is the number of the oldest one that is kept; of all sessions, `params.after` is where to read on',
    (cut: { sessionId: string; params: { first_seq: number } } | { params: { after: number } }) =>
      'sessionId' in cut
        ? `The events of session ${cut.sessionId} before number ${cut.params.first_seq} were removed (the server keeps logs within limits). Read on with ?after=${cut.params.first_seq - 1}; GET /sessions/${cut.sessionId} has the present state.`
        : `Some of the events after this cursor were removed (the server keeps logs within limits). Read on with ?after=${cut.params.after}; GET /sessions and GET /permissions have the present state.`,
  ),
  export_busy: define(
    409,
    'The session is working',
    ({ id }: { id: string }) =>
      `Session ${id} is working, or has queued messages. Export it when it is idle, or interrupt it first.`,
    RETRYABLE,
  ),
  snapshot_busy: define(
    409,
    'The session is working',
    ({ id }: { id: string }) =>
      `Session ${id} is working in its folder, or was while the snapshot was taken. Take it when the session is idle.`,
    RETRYABLE,
  ),
  import_taken: define(
    409,
    'The session, or a part of it, is here already',
    ({ id }: { id: string }) =>
      `Session ${id}, or one of its turns or conversations, is here already, and ids are not changed. Resume it here, or erase it (DELETE /sessions/${id}?erase=true) and import again.`,
  ),

  // turns
  turn_not_found: define(
    404,
    'No such turn',
    ({ sessionId, id }: { sessionId: string; id: string }) =>
      `Session ${sessionId} has no turn ${id}. List its turns with GET /sessions/${sessionId}/turns.`,
  ),
  turn_not_queued: define(
    409,
    'The turn is running or has ended',
    ({ sessionId, ended, steers }: { sessionId: string; ended: boolean; steers: string | null }) =>
      `Only a message that waits can be cancelled. ${
        steers !== null
          ? `The agent has taken this one into turn ${steers}.`
          : ended
            ? 'This one has ended.'
            : `POST /sessions/${sessionId}/interrupt ends this one.`
      }`,
  ),
  idempotency_conflict: define(
    409,
    'The idempotency key was used with another message',
    ({ key }: { key: string | null }) =>
      `The idempotency key "${key}" was used with another message. Use a new key for a new message.`,
  ),
  message_refused: define(
    409,
    'The message was not accepted',
    () => 'The message was not accepted. Send it again.',
    RETRYABLE,
  ),

  // what waits for an answer
  permission_not_found: define(
    404,
    'No such permission request',
    ({ sessionId, id }: { sessionId: string; id: string }) =>
      `Session ${sessionId} has no permission request ${id}. GET /sessions/${sessionId}/status lists the pending ones.`,
  ),
  permission_already_settled: define(
    409,
    'The permission request is settled',
    ({ state, reason }: { state: string; reason: string | null }) =>
      `The permission request is already settled: ${state} (${reason}). The first answer counts.`,
  ),
  answer_invalid: define(
    422,
    'The agent could not use this answer; `errors` names each field',
    ({ advice, errors }: { advice: string; errors: readonly FieldError[] }) =>
      `The agent could not use this answer. ${saidOf(errors)}. ${advice}`,
  ),
  call_not_found: define(
    404,
    'No such call is pending',
    ({ sessionId, id, kind }: { sessionId: string; id: string; kind: 'hook' | 'tool' }) =>
      `No ${kind} call ${id} is pending in this session: it was answered or withdrawn. GET /sessions/${sessionId} lists the pending ones in pending_calls.`,
  ),

  // the agent
  task_not_found: define(
    404,
    'No such background task is running',
    ({ sessionId, id }: { sessionId: string; id: string }) =>
      `Session ${sessionId} has no running background task ${id}. GET /sessions/${sessionId}/tasks lists those that run.`,
  ),
  mcp_server_not_found: define(
    404,
    'No such MCP server',
    ({ name, known }: { name: string; known: readonly string[] }) =>
      `This session has no MCP server "${name}". It has: ${known.join(', ') || 'none'}.`,
  ),
  agent_refused: define(409, 'The agent refused', ({ why }: { why: string }) => `The agent refused: ${why}`),
  agent_start_failed: define(
    502,
    'The agent cannot start; `detail` has its own words',
    ({ why }: { why: string | undefined }) =>
      why === undefined ? 'The agent ended right after its start.' : `The agent cannot start: ${why}`,
  ),
  agent_not_answering: define(
    504,
    'The agent does not answer',
    ({ seconds }: { seconds: number }) =>
      `The agent did not answer within ${seconds} seconds. It may be frozen or waiting for a hook: try again, or interrupt or close the session.`,
    RETRYABLE,
  ),
};
