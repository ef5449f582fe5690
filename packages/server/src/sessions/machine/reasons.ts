import type { CallReason, InterruptReason, PermissionReason, TurnError } from 'claude-agent-protocol';

/** Why a turn ended early; `sentence` replaces the usual one. */
export interface Interruption {
  reason: InterruptReason;
  sentence?: string;
}

/** Why a permission request, or a call of a hook or a tool, ended without an answer. */
export type Unanswered = Exclude<PermissionReason | CallReason, 'answered'>;

/** Why background work ended early. */
type BackgroundReason = 'interrupted' | 'session_closed' | 'server_shutdown' | 'server_restarted';

/** For the result of a turn. */
const TURN: Record<InterruptReason, string> = {
  interrupted: 'The turn was interrupted.',
  denied: 'A permission request was denied, and the turn ended with it.',
  cancelled: 'The message was taken back before its turn began.',
  session_closed: 'The session was closed.',
  server_shutdown: 'The server was shut down during the turn. Send the message again to go on.',
  server_restarted: 'The server ended during this turn. Send the message again to go on.',
};

/** For the result of a turn whose background work was still awaited. */
const BACKGROUND: Record<BackgroundReason, string> = {
  interrupted: 'The background work was stopped.',
  session_closed: 'The session was closed.',
  server_shutdown: 'The server was shut down while the agent worked in the background.',
  server_restarted: 'The server ended while the agent worked in the background.',
};

/** For the agent, in place of an answer. */
const REQUEST: Record<Unanswered, string> = {
  timeout: 'Nobody answered in time.',
  interrupted: 'The user interrupted.',
  withdrawn: 'The request was withdrawn.',
  session_closed: 'The session was closed.',
  agent_died: 'The agent process ended.',
  server_shutdown: 'The server shuts down.',
  server_restarted: 'The server was restarted.',
};

/** Tells the model how to go on. */
const PERMISSION_TIMEOUT =
  'Nobody answered the permission request in time, so it was denied. Go on without this, or say what you need.';

export const turnError = ({ reason, sentence }: Interruption): TurnError => ({
  code: reason,
  message: sentence ?? TURN[reason],
});

export const backgroundError = (reason: BackgroundReason): TurnError => ({
  code: reason,
  message: BACKGROUND[reason],
});

export const permissionSentence = (reason: Unanswered): string =>
  reason === 'timeout' ? PERMISSION_TIMEOUT : REQUEST[reason];

export const callSentence = (reason: Unanswered): string => REQUEST[reason];

/**
 * Why a turn ends that had begun, when no other process could go on with it. Not `agent_start_failed`: that tells callers
 * that the agent never had the message, and that the same request may run it yet.
 */
export const notGoneOn = (error: TurnError): TurnError =>
  error.code === 'agent_start_failed'
    ? {
        code: 'agent_died',
        message: `The agent process ended during the turn, and no other could go on with it. ${error.message}`,
      }
    : error;

/** The server ended the process because the session takes more than it may. */
export const diskLimitExceeded = (sentence: string): TurnError => ({
  code: 'disk_limit_exceeded',
  message: sentence,
});

/** @param lastWords the last output of the process, if any */
export function agentDied(
  when: 'during the turn' | 'while it worked in the background',
  how: string,
  lastWords: string,
): TurnError {
  const said = lastWords ? ` Its last words: ${lastWords}` : '';
  return {
    code: 'agent_died',
    message: `The agent process ended ${when} (${how}). The conversation is kept: the next message goes on with it.${said}`,
  };
}
