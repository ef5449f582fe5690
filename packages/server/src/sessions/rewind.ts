import type { RewindResult } from 'claude-agent-protocol';
import { problem } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { ProcessHandle } from './process.ts';
import type { SessionActor } from './session-actor.ts';

export interface RewindDeps {
  id: string;
  store: Store;
  actor: SessionActor;
  process: ProcessHandle;
  /** @throws AppError when the session is closed */
  requireOpen(): void;
}

const EARLIER_CONVERSATION =
  'The message belongs to an earlier conversation of this session (before /clear, say). Files go back only to messages of the present one.';

/** Undoes what the agent changed in files since a message. */
export function createRewind({ id, store, actor, process, requireOpen }: RewindDeps) {
  return async (messageId: string, dryRun: boolean): Promise<RewindResult> => {
    requireOpen();
    const { current, own } = actor.state();
    if (current || own) throw problem('session_busy', { rewinding: true });
    const result = await process.ask((live) => live.rewindFiles(messageId, dryRun));
    if (result.can_rewind) return result;
    const [begin, conversations] = [await store.turnStart(id, messageId), await store.conversations(id)];
    if (begin === undefined || begin > (conversations.at(-1)?.afterSeq ?? 0)) return result;
    return { ...result, error: EARLIER_CONVERSATION };
  };
}
