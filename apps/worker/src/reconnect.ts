const FIRST_SECONDS = 0.1;
const GROWTH = 1.6;
const LONGEST_SECONDS = 5;
const SPREAD_SECONDS = 0.4;

/**
 * Returns how long to wait before the next attempt. `failures` counts those in a row and is 1 after a connection that had been established.
 * The wait is shorter than a stock worker's (1.5 s, growing to a minute): builds wait for their workers when an engine starts again, and an
 * engine can handle a refused connection from each worker every few seconds.
 */
export function reconnectDelayMs(failures: number, random: number): number {
  return (Math.min(FIRST_SECONDS * GROWTH ** failures, LONGEST_SECONDS) + random * SPREAD_SECONDS) * 1000;
}
