/** Options of a chaos test: what it finds is rare and true, so a second try (`.ci/run`) must not hide it. */
export const chaos = (seconds: number): { retry: 0; timeout: number } => ({
  retry: 0,
  timeout: seconds * 1000,
});

/**
 * How often a random or chaos test tries: a few times in `npm test`, where ten kills of a loaded server took
 * 37 s on each store, and the whole number in `npm run test:long` (before a release, and for a fault that is rare).
 */
export function rounds({ quick, long }: { quick: number; long: number }): number {
  return process.env.CLAUDE_TEST_LONG === '1' ? long : quick;
}
