import { allows, type RouteAccess, rolesFor } from 'claude-agent-protocol';
import { problem } from '../errors.ts';
import { isInScope } from '../store/scope.ts';
import type { Store } from '../store/store.ts';
import { OF_THE_MACHINE, type Principal, scopeOf } from './principal.ts';

/** Who may do what: the one rule, asked by `http/mount.ts` for every route. */
export interface AccessRule {
  /**
   * Before anything of the request is read but its path, and before it is passed on to another node.
   * @param sessionId of the path; a session that the principal may not see does not exist
   * @throws AppError 403, 404
   */
  admit(principal: Principal, access: RouteAccess, sessionId: string | undefined): Promise<void>;
  /**
   * Whether a session or a conversation on disk, named in a body, may be resumed or branched.
   * @throws AppError 404
   */
  admitSource(principal: Principal, id: string, how: { fork: boolean }): Promise<void>;
}

export function createAccessRule(store: Pick<Store, 'whose'>): AccessRule {
  return {
    async admit(principal, access, sessionId) {
      if (access === 'open' || principal.kind === 'session') return;
      const { role } = principal;
      if (!allows(role, access.may))
        throw problem('role_insufficient', { role, roles: rolesFor(access.may) });
      if (principal.sessionId !== undefined && access.of !== 'session') throw problem('token_of_one_session');
      const scope = scopeOf(principal);
      if (access.of !== 'session' || scope.tenant === undefined) return;
      const whose = sessionId === undefined ? undefined : await store.whose(sessionId);
      const isOther = principal.sessionId !== undefined && principal.sessionId !== whose?.id;
      if (!whose || isOther || !isInScope(scope, whose))
        throw problem('session_not_found', { id: sessionId ?? '' });
    },

    async admitSource(principal, id, { fork }) {
      const scope = scopeOf(principal);
      if (scope.tenant === undefined) return;
      const whose = (await store.whose(id)) ?? OF_THE_MACHINE;
      if (!isInScope(scope, whose))
        throw problem('session_not_found', { id, ...(!fork && { resuming: true }) });
    },
  };
}
