import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Folder, OfferedModel } from 'claude-agent-protocol';
import { MODEL_ALIASES } from 'claude-agent-protocol/reasons';
import type { RestrictionsOf } from '../access/policies.ts';
import { problem } from '../errors.ts';
import type { Owned } from '../store/store.ts';
import type { Policy } from './policy.ts';

export interface ChoicesDeps {
  policy: Pick<Policy, 'roots' | 'checkFolder'>;
  restrictionsOf: RestrictionsOf;
  gateway: {
    models(): { id: string }[];
    contextOf(model: string): number | undefined;
    priceOf(model: string): Promise<{ input: number; output: number } | undefined>;
  };
  /** The agent reaches Claude by itself. */
  isDirect: boolean;
  /** The gateway reaches Claude. */
  hasClaude: boolean;
  /** The demo model answers to every name. */
  onlyDemo: boolean;
  /** The model of sessions that name none: it works as it is. */
  defaultModel: string | undefined;
}

interface FolderQuery {
  path?: string | undefined;
  hidden: boolean;
  limit: number;
  cursor?: string | undefined;
}

/** What the owner's new sessions can be given. */
export interface Choices {
  /** @throws AppError 403, 422 */
  folders(
    query: FolderQuery,
    owned: Owned,
  ): Promise<{ path: string | null; parent: string | null; folders: Folder[]; next: string | null }>;
  /** The names of all models, in the order in which they are offered. */
  models(owned: Owned): ModelName[];
  describe(model: ModelName): Promise<OfferedModel>;
}

interface ModelName {
  id: string;
  kind: OfferedModel['kind'];
}

const DEMO = 'demo';

export function createChoices(deps: ChoicesDeps): Choices {
  const { policy, gateway, isDirect } = deps;

  const allowed = (path: string, owned: Owned): Promise<string | undefined> =>
    policy.checkFolder(path, owned).catch(() => undefined);

  const roots = async (owned: Owned): Promise<Folder[]> => {
    const paths = await Promise.all(policy.roots(owned).map((root) => allowed(root, owned)));
    return paths.filter((path) => path !== undefined).map((path) => ({ name: path, path }));
  };

  const parentOf = async (path: string, owned: Owned): Promise<string | null> =>
    policy.roots(owned).includes(path) ? null : ((await allowed(dirname(path), owned)) ?? null);

  return {
    async folders({ path, hidden, limit, cursor }, owned) {
      if (path === undefined) {
        return { path: null, parent: null, folders: await roots(owned), next: null };
      }
      const real = await policy.checkFolder(path, owned);
      const names = await namesIn(real);
      const after = cursor === undefined ? undefined : fromCursor(cursor);
      const folders: Folder[] = [];
      for (const { name, isLink } of names) {
        if (after !== undefined && byName(name, after) <= 0) continue;
        if (!hidden && name.startsWith('.')) continue;
        const found = isLink ? await allowed(join(real, name), owned) : join(real, name);
        if (found === undefined) continue;
        if (folders.length === limit) {
          return { path: real, parent: await parentOf(real, owned), folders, next: toCursor(folders) };
        }
        folders.push({ name, path: found });
      }
      return { path: real, parent: await parentOf(real, owned), folders, next: null };
    },

    models(owned) {
      const { allowsModel } = deps.restrictionsOf(owned);
      const aliases = isDirect || deps.hasClaude ? MODEL_ALIASES.filter((name) => name !== 'default') : [];
      const listed = deps.onlyDemo ? [] : gateway.models().map(({ id }) => id);
      const all: ModelName[] = [
        ...aliases.map((id) => ({ id, kind: 'alias' as const })),
        ...[...new Set([...listed, DEMO])].map((id) => ({ id, kind: 'model' as const })),
      ];
      return all.filter(({ id }) => allowsModel(id));
    },

    async describe({ id, kind }) {
      const isAlias = kind === 'alias';
      const price = id === DEMO ? { input: 0, output: 0 } : await gateway.priceOf(id);
      return {
        id,
        kind,
        needs_proxy: isDirect && !isAlias && id !== deps.defaultModel && !/claude/i.test(id),
        context_window: isAlias ? null : (gateway.contextOf(id) ?? null),
        price: isAlias ? null : (price ?? null),
      };
    },
  };
}

/** The folders in a folder, and links, which may lead to one. @throws AppError 403 when it cannot be read */
async function namesIn(folder: string): Promise<{ name: string; isLink: boolean }[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw problem('cwd_unreadable', { cwd: folder, why: error.code ?? 'it failed' });
  });
  // It may have become a link while it was read.
  if ((await realpath(folder).catch(() => undefined)) !== folder)
    throw problem('cwd_not_found', { cwd: folder });
  return entries
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => ({ name: entry.name, isLink: entry.isSymbolicLink() }))
    .toSorted((a, b) => byName(a.name, b.name));
}

/** Without regard to case, and always in the same order. */
function byName(a: string, b: string): number {
  const [lowA, lowB] = [a.toLowerCase(), b.toLowerCase()];
  if (lowA !== lowB) return lowA < lowB ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

const toCursor = (folders: readonly Folder[]): string =>
  Buffer.from(folders.at(-1)?.name ?? '').toString('base64url');

/** @throws AppError 422 for a cursor that no page returned */
function fromCursor(cursor: string): string {
  const name = Buffer.from(cursor, 'base64url').toString();
  if (name !== '' && Buffer.from(name).toString('base64url') === cursor) return name;
  throw problem('cursor_invalid');
}
