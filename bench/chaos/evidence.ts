/** Reads what a chaos bench is judged by, besides the clients' records: the store, the transcripts, the side effects. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  PermissionRecord,
  Store,
  StoredEvent,
  TurnRecord,
} from '../../packages/server/src/store/store.ts';

/** What there is of one session. */
export interface SessionEvidence {
  turns: TurnRecord[];
  events: StoredEvent[];
  permissions: PermissionRecord[];
  /** Entries of its transcript, oldest first. */
  transcript: TranscriptEntry[];
  /** The lines that its calls have written. */
  effects: string[];
}

/** A line of the agent's transcript, as far as it matters here. */
export interface TranscriptEntry {
  type?: string;
  uuid?: string;
  timestamp?: string;
  /** Of a prompt: its number by the agent. */
  promptId?: string;
  isSidechain?: boolean;
  isCompactSummary?: boolean;
  message?: { content?: unknown };
  attachment?: { type?: string; prompt?: unknown };
}

/**
 * Whether an agent wrote this: a prompt, a result of a tool, or a message that it took into a turn. A node that goes on with a conversation without its transcript writes
 * that from the log: the messages that were taken stand in it as prompts without a `promptId`.
 */
export const isByAgent = ({ promptId, attachment }: TranscriptEntry): boolean =>
  promptId !== undefined || attachment?.type === 'queued_command';

/** By session id. */
export type Evidence = Map<string, SessionEvidence>;

export interface EvidenceSources {
  store: Store;
  /** The agent's folders of transcript folders: one of each node. */
  projects: readonly string[];
  /** The folder that the files of side effects are relative to. */
  root: string;
}

/** Reads everything about these sessions. */
export async function readEvidence(
  { store, projects, root }: EvidenceSources,
  sessions: ReadonlyMap<string, { file: string }>,
): Promise<Evidence> {
  const evidence: Evidence = new Map();
  for (const [id, { file }] of sessions) {
    const events = await store.readEvents(id, 0, 10_000_000);
    const asked = events.filter(({ type }) => type === 'permission.requested');
    const permissions = await Promise.all(
      asked.map(({ json }) => store.getPermission(id, JSON.parse(json).request_id as string)),
    );
    const listed = await store.listTurns({ sessionId: id, limit: 10_000_000 });
    const ids = new Set(listed.map((turn) => turn.id));
    // The list leaves out messages that were given to a running turn.
    const given = await Promise.all(
      events
        .filter(({ type }) => type === 'turn.steering')
        .map(({ json }) => store.getTurn(id, JSON.parse(json).message_id as string)),
    );
    evidence.set(id, {
      turns: [...listed, ...given.filter((turn) => turn !== undefined && !ids.has(turn.id))] as TurnRecord[],
      events,
      permissions: permissions.filter((each) => each !== undefined),
      transcript: readTranscript(projects, id),
      effects: linesOf(join(root, file)),
    });
  }
  return evidence;
}

function readTranscript(projects: readonly string[], id: string): TranscriptEntry[] {
  return linesOf(...projects.flatMap(foldersOf).map((folder) => join(folder, `${id}.jsonl`))).flatMap(
    (line) => {
      try {
        return [JSON.parse(line) as TranscriptEntry];
      } catch {
        // A killed agent may leave half a line.
        return [];
      }
    },
  );
}

function foldersOf(projects: string): string[] {
  try {
    return readdirSync(projects).map((name) => join(projects, name));
  } catch {
    return [];
  }
}

function linesOf(...paths: string[]): string[] {
  return paths.flatMap((path) => {
    try {
      return readFileSync(path, 'utf8').split('\n').filter(Boolean);
    } catch {
      return [];
    }
  });
}
