/** Random numbers that can be had again: the same seed gives the same numbers. */
export interface Random {
  seed: number;
  /** From 0 up to and without `limit`, whole. */
  below(limit: number): number;
}

/** Takes the seed from the environment variable SEED, to repeat a run that failed. */
export function createRandom(seed = Number(process.env.SEED ?? Date.now() % 1_000_000)): Random {
  let state = seed;
  return {
    seed,
    // mulberry32
    below(limit) {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * limit);
    },
  };
}
