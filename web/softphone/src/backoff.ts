/** How long to wait before reconnecting: doubling, capped, and spread so that 200 softphones do not come back as one. */

const FIRST_MS = 250;
const LONGEST_MS = 10_000;

/** Milliseconds before attempt number `attempt` (0 = the first); `random` is in [0, 1). */
export function waitBefore(attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
