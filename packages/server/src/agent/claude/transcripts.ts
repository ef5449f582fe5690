import {
  forkSession,
  getSessionInfo,
  getSessionMessages,
  listSessions,
  renameSession,
  type SDKSessionInfo,
} from '@anthropic-ai/claude-agent-sdk';
import { AppError, messageOf } from '../../errors.ts';
import type { Agent, Transcript } from '../agent.ts';

/** The conversations on disk, through the SDK's own functions. */
export const transcripts: Pick<Agent, 'transcripts' | 'transcript' | 'history' | 'fork' | 'rename'> = {
  async transcripts({ cwd }) {
    const sessions = await listSessions(cwd === undefined ? {} : { dir: cwd });
    return sessions.filter(hasContent).map(toTranscript);
  },

  async transcript(sessionId) {
    const info = await getSessionInfo(sessionId);
    return info && toTranscript(info);
  },

  async history(conversationId) {
    const messages = await getSessionMessages(conversationId);
    return messages.map(({ uuid, type, message, parent_tool_use_id }) => ({
      uuid,
      type,
      message,
      parent_tool_use_id,
    }));
  },

  async fork(sessionId, { upToMessageId, title }) {
    try {
      const fork = await forkSession(sessionId, {
        ...(upToMessageId !== undefined && { upToMessageId }),
        ...(title !== undefined && { title }),
      });
      return fork.sessionId;
    } catch (error) {
      throw new AppError('cannot_fork', 409, `The conversation cannot be forked: ${messageOf(error)}`);
    }
  },

  rename: (sessionId, title) => renameSession(sessionId, title),
};

const hasContent = (info: SDKSessionInfo): boolean => info.fileSize !== 0 && info.summary !== '';

function toTranscript(info: SDKSessionInfo): Transcript {
  return {
    sessionId: info.sessionId,
    modified: new Date(info.lastModified),
    preview: info.customTitle ?? info.firstPrompt ?? info.summary,
    cwd: info.cwd ?? null,
  };
}
