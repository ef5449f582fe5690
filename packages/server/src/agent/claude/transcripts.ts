import { dirname } from 'node:path';
import { forkSession, getSessionMessages, renameSession } from '@anthropic-ai/claude-agent-sdk';
import { messageOf, problem } from '../../errors.ts';
import type { Agent, Transcript } from '../agent.ts';
import { eraseConversations } from './erase.ts';
import { conversationFiles, copyConversationFiles } from './files.ts';
import type { Found } from './library/catalog.ts';
import type { Library } from './library/library.ts';
import { AGENT_VERSION, isParkable } from './parking.ts';
import { rebuildTranscript } from './rebuild.ts';
import { takenFrom } from './taken.ts';

/**
 * The conversations on disk, listed by our own library: the SDK reads every file for a list, and skips those whose
 * first prompt begins with a tag (measured on 0.3.330).
 */
export const transcripts = (
  library: Library,
): Pick<
  Agent,
  | 'transcripts'
  | 'transcript'
  | 'parkable'
  | 'taken'
  | 'look'
  | 'restore'
  | 'history'
  | 'fork'
  | 'rename'
  | 'files'
  | 'addFiles'
  | 'erase'
> => ({
  parkable: (toolUseId, said) => isParkable(AGENT_VERSION, toolUseId, said),
  taken: (conversationId, messageIds) => takenFrom(library.projects, conversationId, messageIds),

  async transcripts(query) {
    const { found, total, next } = await library.list(query);
    return { transcripts: found.map(toTranscript), total, next };
  },

  async transcript(conversationId) {
    const found = await library.find(conversationId);
    return found && toTranscript(found);
  },

  look: (conversationId, from, isLive) => library.look(conversationId, from, isLive),
  async restore(conversation, messages) {
    await rebuildTranscript(library.projects, conversation, messages);
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
      throw problem('cannot_fork', { why: messageOf(error) });
    }
  },

  rename: (sessionId, title) => renameSession(sessionId, title),

  files: (conversationId) => conversationFiles(library.projects, conversationId),
  addFiles: (cwd, from) => copyConversationFiles(library.projects, cwd, from),

  async erase(conversationIds) {
    await eraseConversations(dirname(library.projects), conversationIds);
    // Its catalog holds first prompts too.
    await library.refresh();
  },
});

const toTranscript = ({ id, modified, ...found }: Found): Transcript => ({
  ...found,
  conversationId: id,
  modified: new Date(modified),
});
