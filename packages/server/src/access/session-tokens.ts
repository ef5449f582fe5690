import { randomBytes } from 'node:crypto';
import { sameText } from './same-text.ts';

/** Tokens for agent processes, to identify the session of a call. A session has at most one, that of its process. */
export interface SessionTokens {
  mint(sessionId: string): string;
  verify(token: string): string | undefined;
  /** Revokes the token of a process that is gone. */
  revoke(token: string): void;
}

/** Distinguishes our tokens from API keys, revoked ones included. */
export const SESSION_TOKEN = /^session-([0-9a-f-]{36})\.(.+)$/;

export function createSessionTokens(): SessionTokens {
  const tokens = new Map<string, string>();
  const verify = (token: string): string | undefined => {
    const sessionId = SESSION_TOKEN.exec(token)?.[1] ?? '';
    const known = tokens.get(sessionId);
    return known !== undefined && sameText(token, known) ? sessionId : undefined;
  };
  return {
    mint(sessionId) {
      const token = `session-${sessionId}.${randomBytes(32).toString('base64url')}`;
      tokens.set(sessionId, token);
      return token;
    },
    verify,
    revoke(token) {
      const sessionId = verify(token);
      if (sessionId !== undefined) tokens.delete(sessionId);
    },
  };
}
