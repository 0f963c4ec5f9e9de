/** A worker that no engine has. */
export interface Absence {
  readonly absentForMs: number;
  readonly missingTimeoutMs: number;
}

/**
 * Longer than a stock worker waits before it tries again. After all engines were away, or this one was, every worker looks absent for a
 * while.
 */
export const SETTLING_MS = 120_000;

/**
 * Whether a worker has been away for too long, according to an engine that has been up for `engineUpMs`. When the timeout is shorter than
 * the settling time, the engine waits only for the timeout.
 */
export function isMissing({ absentForMs, missingTimeoutMs }: Absence, engineUpMs: number): boolean {
  return absentForMs >= missingTimeoutMs && engineUpMs >= Math.min(SETTLING_MS, missingTimeoutMs);
}
