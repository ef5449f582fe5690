import type { Owned, Scope } from './store.ts';

/** Whether a session is in scope. */
export const isInScope = (scope: Scope, { tenant, createdBy }: Owned): boolean =>
  scope.tenant === undefined ||
  (scope.tenant === tenant && (scope.createdBy === undefined || scope.createdBy === createdBy));
