/** A worker that no engine has. */
export interface Absence {
  readonly absentForMs: number;
  readonly missingTimeoutMs: number;
}

/**
 * Longer than a stock worker waits before it tries again. After the engines were all away, or one of them came back, every worker looks
 * absent for a while.
 */
export const SETTLING_MS = 120_000;

/**
 * Whether a worker has been away for too long, as an engine judges that has been up for `engineUpMs`. With a timeout shorter than the
 * settling time an engine waits for the timeout only.
 */
export function isMissing({ absentForMs, missingTimeoutMs }: Absence, engineUpMs: number): boolean {
  return absentForMs >= missingTimeoutMs && engineUpMs >= Math.min(SETTLING_MS, missingTimeoutMs);
}
