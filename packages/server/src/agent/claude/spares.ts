import { mkdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { prewarm, type SpareProcess } from '@anthropic-ai/claude-agent-sdk';
import type { AgentEvents, AgentProcess, Reservation, SessionKind, StartOptions } from '../agent.ts';
import type { Price } from '../tally.ts';
import type { Asked } from './asked.ts';
import { converse } from './conversation.ts';
import { type Host, type HostDeps, prepareHost } from './host.ts';
import type { Inbox } from './inbox.ts';
import type { Mirror } from './mirror/mirror.ts';
import { whenReady } from './ready.ts';
import { folderOptions } from './trust.ts';

/** Measured: a claim is answered in 150 to 370 ms. */
const CLAIM_TIMEOUT_MS = 10_000;
/** A spare starts after this long without a session start, so that it never competes with one. */
const AFTER_STARTS_MS = 500;
/** Backoff after a spare that could not be started; doubles each time. */
const RETRY_MS = 5_000;
const MAX_RETRY_MS = 300_000;
/** A spare takes 230 to 260 MB; running sessions should not have to swap for it. */
const MIN_FREE_BYTES = 1024 ** 3;

export interface SparesOptions {
  /** The maximum number of spares; 0 for none. */
  count: number;
  /** An empty folder of the server, their working folder until they are claimed. */
  folder: string;
  onError(error: unknown): void;
}

/** A process without a session. Its id becomes the session's. */
interface Spare {
  id: string;
  key: string;
  /** The folder that its sandbox shows; undefined for any. */
  confinedTo: string | undefined;
  /** Whose agent it is, where each tenant's run as a user of its own. */
  tenant: string | undefined;
  host: Host;
  process: SpareProcess;
  /** Directs the process's questions to a session. */
  bind(events: Asked): void;
  /** Ends it unclaimed. */
  discard(): Promise<void>;
}

export interface Spares {
  /** Reserves a fitting spare, if there is one, for a session that is being created. The next spares will be of its kind. */
  reserve(session: SessionKind): Reservation | undefined;
  /** Starts spares for sessions of this kind. */
  expect(session: SessionKind): void;
  take(sessionId: string): Spare | undefined;
  /** Keeps no more than this, for now; settles when the others are gone. */
  limit(atMost: number): Promise<void>;
  /** Call this when a session starts, and the returned function when the start is over. */
  startBegins(): () => void;
  close(): Promise<void>;
}

/** Keeps processes ready for the kinds of sessions that were created last. */
export function createSpares(deps: HostDeps, { count, folder, onError }: SparesOptions): Spares {
  /** The kinds of recent sessions, the latest first; at most `count`. */
  let kinds: { key: string; session: SessionKind }[] = [];
  const waiting = new Map<string, Spare>();
  const reserved = new Map<string, Spare>();
  const isConfined = deps.sandbox !== undefined;
  const tenantOf = ({ tenant }: SessionKind): string | undefined =>
    deps.sandbox?.users ? tenant : undefined;
  let atMost = count;
  let starting = 0;
  let filling: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let retryMs = RETRY_MS;
  let isClosed = false;

  const schedule = (ms: number): void => {
    if (isClosed || count === 0) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      filling ??= fill().finally(() => {
        filling = undefined;
      });
    }, ms).unref();
  };

  const fill = async (): Promise<void> => {
    const kept = [...waiting.values(), ...reserved.values()];
    for (const spare of waiting.values()) {
      if (kinds.some(({ key }) => key === spare.key)) continue;
      waiting.delete(spare.id);
      await spare.discard();
    }
    const kind = kinds.find(({ key }) => !kept.some((spare) => spare.key === key));
    if (
      isClosed ||
      starting > 0 ||
      waiting.size >= atMost ||
      !kind ||
      process.availableMemory() < MIN_FREE_BYTES
    )
      return;
    try {
      const spare = await park(kind.key, kind.session);
      if (isClosed || waiting.size >= atMost) return await spare.discard();
      waiting.set(spare.id, spare);
      void spare.process.exited.then(() => {
        if (waiting.delete(spare.id)) schedule(retryMs);
      });
      retryMs = RETRY_MS;
      schedule(AFTER_STARTS_MS);
    } catch (error) {
      // Sessions then start without a spare.
      onError(error);
      schedule(retryMs);
      retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    }
  };

  const park = async (key: string, session: SessionKind): Promise<Spare> => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const id = crypto.randomUUID();
    let bound: Asked | undefined;
    const asked: Asked = {
      onQuestion: async (question) =>
        bound?.onQuestion(question) ?? {
          allowed: false,
          message: 'No session is there to ask.',
          interrupt: true,
        },
      onCall: async (call) => bound?.onCall(call) ?? { ok: false, message: 'No session is there to ask.' },
      onBeforeCall: async (toolUseId) => bound?.onBeforeCall(toolUseId),
    };
    const { cwd } = session;
    const start = { ...session, sessionId: id, conversationId: id, cwd: folder, title: null, resume: false };
    const host = await prepareHost(deps, { ...start, permissionMode: 'default', spentUsd: 0 }, asked);
    const discard = async (): Promise<void> => {
      host.abort();
      await host.owned()?.end();
      host.link.end();
    };
    try {
      await host.enter({ ...start, cwd, startsIn: folder });
      const process = await prewarm({ options: { ...host.options, additionalDirectories: [] } });
      await Promise.race([host.entered(), process.exited]);
      // `exited` and the claim report it; unhandled, this rejection would end the server.
      process.claimed.catch(() => undefined);
      return {
        id,
        key,
        confinedTo: isConfined ? cwd : undefined,
        tenant: tenantOf(session),
        host,
        process,
        bind(events) {
          bound = events;
        },
        async discard() {
          process.close();
          await discard();
        },
      };
    } catch (error) {
      await discard();
      throw error;
    }
  };

  const expect = (session: SessionKind): void => {
    if (count === 0 || !isPlain(session)) return;
    const key = keyOf(session, isConfined, tenantOf(session));
    kinds = [{ key, session }, ...kinds.filter((kind) => kind.key !== key)].slice(0, count);
    schedule(AFTER_STARTS_MS);
  };

  return {
    expect,
    reserve(session) {
      expect(session);
      const key = keyOf(session, isConfined, tenantOf(session));
      const spare = isPlain(session) && [...waiting.values()].find((each) => each.key === key);
      if (!spare) return undefined;
      waiting.delete(spare.id);
      reserved.set(spare.id, spare);
      return {
        sessionId: spare.id,
        release() {
          if (reserved.delete(spare.id)) waiting.set(spare.id, spare);
        },
      };
    },
    take(sessionId) {
      const spare = reserved.get(sessionId);
      reserved.delete(sessionId);
      return spare;
    },
    async limit(most) {
      const grows = most > atMost;
      atMost = most;
      if (grows) schedule(AFTER_STARTS_MS);
      const surplus = [...waiting.values()].slice(Math.max(0, most));
      for (const { id } of surplus) waiting.delete(id);
      await Promise.all(surplus.map((spare) => spare.discard()));
    },
    startBegins() {
      starting += 1;
      return () => {
        starting -= 1;
        if (starting === 0) schedule(AFTER_STARTS_MS);
      };
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await filling;
      await Promise.all([...waiting.values(), ...reserved.values()].map((spare) => spare.discard()));
    },
  };
}

/** Whether a spare can become such a session: a claim sets few options, the rest is fixed at the start. */
const isPlain = ({ options }: SessionKind): boolean =>
  ![options.mcp_servers, options.custom_tools, options.hooks, options.plugins].some(
    (given) => given !== undefined,
  );

/** Sessions with the same key fit the same spare: the key leaves out what a claim sets. */
function keyOf(
  { model, options, cwd }: SessionKind,
  isConfined: boolean,
  tenant: string | undefined,
): string {
  const { agents: _, additional_directories: more, permission_timeout_seconds: __, ...fixed } = options;
  // The folders of a sandbox are fixed when it is made.
  return JSON.stringify([
    isConfined ? [cwd, more ?? []] : null,
    tenant ?? null,
    model ?? null,
    Object.entries(fixed).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}

/**
 * Turns a spare into the process of a session.
 * @returns undefined when it does not fit; the session then starts without it
 * @throws when the start is aborted
 */
export async function claimSpare(
  spare: Spare,
  { price, mirror }: { price: Price; mirror: Mirror | undefined },
  options: StartOptions,
  events: AgentEvents,
  inbox: Inbox,
  signal: AbortSignal,
): Promise<AgentProcess | undefined> {
  const { host, confinedTo, tenant } = spare;
  const isElsewhere =
    (confinedTo !== undefined && confinedTo !== options.cwd) ||
    (tenant !== undefined && tenant !== options.tenant);
  // The guard against the folder's repository is in the environment, which is fixed.
  if (isElsewhere || !isDeepStrictEqual(await host.guarded(options), host.env)) {
    await spare.discard();
    return undefined;
  }
  spare.bind(events);
  try {
    const { additionalDirectories } = folderOptions(options);
    const { agents } = options.options;
    const sdk = spare.process.claim({
      prompt: inbox.messages(),
      options: {
        cwd: options.cwd,
        permissionMode: options.permissionMode,
        ...(additionalDirectories && { additionalDirectories }),
        ...(options.title !== null && { title: options.title }),
        ...(agents && {
          agents: agents as NonNullable<Parameters<SpareProcess['claim']>[0]['options']['agents']>,
        }),
      },
    });
    events.onOpen({ send: inbox.push, isSpare: true });
    await whenReady(spare.process.claimed, spare.process.exited, signal, CLAIM_TIMEOUT_MS);
    // Not before: a process that refuses says that the message failed, and the one in its stead gets it again.
    return converse(
      sdk,
      host,
      inbox,
      { price, saved: {}, recording: mirror?.open(options) },
      options,
      events,
    ).ready();
  } catch (error) {
    await spare.discard();
    if (!signal.aborted) return undefined;
    inbox.end();
    throw error;
  }
}
