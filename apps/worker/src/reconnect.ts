/** How long to wait before the next attempt; `failures` counts those in a row and is 1 after a connection that had been established. */
export function reconnectDelayMs(failures: number, random: number): number {
  return (Math.min(1.5 ** failures, 60) + random) * 1000;
}
