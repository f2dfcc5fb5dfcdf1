/** `SOAK=1` runs every fault at its full length and number; otherwise at about a tenth. */
export const SOAK = process.env.SOAK === '1';

/** `SEED=n` replays a run. */
export const SEED = Number(process.env.SEED ?? 1);

export function length(short: number, full: number): number {
  return SOAK ? full : short;
}

/** Time limit of a test, ms. */
export const LIMIT = length(90_000, 900_000);
