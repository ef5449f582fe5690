import type { UsageRecord } from 'claude-agent-gateway';

/** Model calls that ended lately, newest first; those of this server, and of the time since its start. */
export interface RecentCalls {
  add(record: UsageRecord): void;
  list(): readonly (UsageRecord & { at: string })[];
}

const KEPT = 200;

export function createRecentCalls(): RecentCalls {
  let calls: (UsageRecord & { at: string })[] = [];
  return {
    add(record) {
      calls = [{ ...record, at: new Date().toISOString() }, ...calls.slice(0, KEPT - 1)];
    },
    list: () => calls,
  };
}
