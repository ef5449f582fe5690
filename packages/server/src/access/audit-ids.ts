import { randomBytes } from 'node:crypto';

/** A time as the beginning of the ids of audit records: 12 hexadecimal digits of milliseconds. */
export const auditIdAt = (ms: number): string => Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');

/** Makes ids that sort by time, those of one millisecond in the order in which they were made. */
export function createAuditIds(): (ms: number) => string {
  let made = 0;
  return (ms) => {
    made = (made + 1) % 0x10000;
    return auditIdAt(ms) + made.toString(16).padStart(4, '0') + randomBytes(4).toString('hex');
  };
}
