import type { PermissionMode } from 'claude-agent-protocol';
import { event } from '../../events/log.ts';
import type { SessionRecord } from '../../store/store.ts';
import type { Of } from './commands.ts';
import { assign, type Draft, tellState, update } from './draft.ts';
import { isClosed } from './state.ts';

// ---- set by a caller

export function setModel(draft: Draft, { model }: Of<'set-model'>): void {
  update(draft, { model });
  tellState(draft);
}

export function patch(draft: Draft, { set }: Of<'patch'>): void {
  update(draft, set);
  if (set.title === undefined) return;
  tellState(draft);
  // The agent's own lists, and its terminal program, then show the title too.
  const { conversationId, hasTranscript } = draft.state.record;
  if (set.title && hasTranscript)
    draft.effects.push({ kind: 'rename-transcript', conversationId, title: set.title });
}

// ---- changed inside the agent, or in its files

/** Notes a setting that has changed. */
export function follow(
  draft: Draft,
  changed: Partial<Pick<SessionRecord, 'model' | 'title' | 'worktree'>>,
): void {
  const { record } = draft.state;
  const isNew = Object.entries(changed).some(([name, value]) => record[name as 'title'] !== value);
  if (!isNew || isClosed(draft.state)) return;
  update(draft, changed);
  tellState(draft);
}

/** The agent's own title counts only while there is no other. */
export function followTitle(draft: Draft, { title }: Of<'title-found'>): void {
  if (draft.state.record.title === null) follow(draft, { title });
}

export function followFolder(draft: Draft, { folder }: Of<'folder-changed'>): void {
  follow(draft, { worktree: folder === draft.state.record.cwd ? null : folder });
}

/** Notes a new permission mode, set by a caller or inside the agent. */
export function followMode(draft: Draft, permissionMode: PermissionMode): void {
  if (permissionMode === draft.state.record.permissionMode || isClosed(draft.state)) return;
  update(draft, { permissionMode });
  tellState(draft);
}

/** The agent left its conversation for another: from now on everything that names a transcript means that one. */
export function followConversation(
  draft: Draft,
  { conversationId, trigger }: Of<'conversation-changed'>,
): void {
  const { id, conversationId: previous } = draft.state.record;
  if (conversationId === previous || isClosed(draft.state)) return;
  draft.changes.push({ kind: 'insert-conversation', id: conversationId, sessionId: id });
  update(draft, { conversationId, hasTranscript: true, transcriptSeen: 0 });
  const data = { conversation_id: conversationId, previous_id: previous, trigger };
  draft.changes.push(event(id, 'session.conversation', data, null, draft.at));
}

/** The transcript was gone, and the agent starts from the messages in the log. */
export function noteLost(draft: Draft, { restored }: Of<'transcript-lost'>): void {
  const { id, conversationId } = draft.state.record;
  update(draft, { hasTranscript: restored > 0, transcriptSeen: null });
  const data = {
    conversation_id: conversationId,
    previous_id: conversationId,
    trigger: 'transcript_lost',
    restored_messages: restored,
  };
  draft.changes.push(event(id, 'session.conversation', data, null, draft.at));
}

export function noteSeen(draft: Draft, { size, diverged }: Of<'transcript-seen'>): void {
  const { record } = draft.state;
  if (diverged || record.transcriptSeen === null) update(draft, { transcriptSeen: size });
  // The additions are our own: written when the process ends, not with every message.
  else assign(draft, { record: { ...record, transcriptSeen: size } });
}
