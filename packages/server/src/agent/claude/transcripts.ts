import { dirname } from 'node:path';
import { forkSession, getSessionMessages, renameSession } from '@anthropic-ai/claude-agent-sdk';
import { messageOf, problem } from '../../errors.ts';
import type { Agent } from '../agent.ts';
import { eraseConversations } from './erase.ts';
import { conversationFiles, copyConversationFiles } from './files.ts';
import type { Library } from './library/library.ts';
import { listAll, toTranscript } from './mirror/list.ts';
import type { Mirror } from './mirror/mirror.ts';
import { AGENT_VERSION, isParkable, markDeferred } from './parking.ts';
import { rebuildTranscript } from './rebuild.ts';
import { takenFrom } from './taken.ts';
import { findTranscript } from './transcript-file.ts';

/**
 * The conversations on disk, listed by our own library: the SDK reads every file for a list, and skips those whose
 * first prompt begins with a tag (measured on 0.3.330). Where nodes share a database, the store has the conversations, and
 * what is on disk is made the same before it is read or continued.
 */
export const transcripts = (
  library: Library,
  mirror: Mirror | undefined,
): Pick<
  Agent,
  | 'transcripts'
  | 'transcript'
  | 'parkable'
  | 'taken'
  | 'look'
  | 'restore'
  | 'behind'
  | 'complete'
  | 'keep'
  | 'isKept'
  | 'history'
  | 'fork'
  | 'rename'
  | 'files'
  | 'addFiles'
  | 'erase'
> => ({
  parkable: (toolUseId, said) => isParkable(AGENT_VERSION, toolUseId, said),
  async taken(conversationId, messageIds) {
    await mirror?.ready(conversationId);
    return takenFrom(library.projects, conversationId, messageIds);
  },

  async transcripts(query) {
    if (mirror) return listAll(library, mirror.transcripts, query);
    const { found, total, next } = await library.list(query);
    return { transcripts: found.map(toTranscript), total, next };
  },

  async transcript(conversationId) {
    await mirror?.ready(conversationId);
    const found = await library.find(conversationId);
    return found && toTranscript(found);
  },

  async look(conversationId, from, isLive) {
    if (!isLive) await mirror?.ready(conversationId);
    return library.look(conversationId, from, isLive);
  },
  async restore(conversation, messages) {
    await rebuildTranscript(library.projects, conversation, messages);
  },

  behind: async ({ sessionId, conversationId }) =>
    (await mirror?.transcripts.behind(sessionId, conversationId)) ?? [],

  async complete({ id, cwd, permissionMode }, said) {
    const path = await findTranscript(library.projects, id);
    if (path !== undefined)
      await markDeferred(path, { id, cwd, permissionMode }, { toolUseId: undefined, said });
  },

  keep: async (conversation) => mirror?.keep(conversation),
  isKept: (sessionId) => mirror?.isKept(sessionId) ?? true,

  async history(conversationId) {
    await mirror?.ready(conversationId);
    const messages = await getSessionMessages(conversationId);
    return messages.map(({ uuid, type, message, parent_tool_use_id }) => ({
      uuid,
      type,
      message,
      parent_tool_use_id,
    }));
  },

  async fork(sessionId, { upToMessageId, title }) {
    await mirror?.ready(sessionId);
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

  async rename(conversationId, title) {
    await mirror?.ready(conversationId);
    await renameSession(conversationId, title);
  },

  async *files(conversationId) {
    await mirror?.ready(conversationId);
    yield* conversationFiles(library.projects, conversationId);
  },
  addFiles: (cwd, from) => copyConversationFiles(library.projects, cwd, from),

  async erase(conversationIds) {
    await eraseConversations(dirname(library.projects), conversationIds);
    // Its catalog holds first prompts too.
    await library.refresh();
  },
});
