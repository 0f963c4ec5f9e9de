/** Milliseconds by a clock that all threads and processes of this host share and that nobody sets; the start of it means nothing. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
