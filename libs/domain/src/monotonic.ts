/** Returns milliseconds by a clock that all threads and processes of this host share and that nobody sets. Its zero is arbitrary. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
