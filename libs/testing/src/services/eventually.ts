import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperationalError } from '@millrace/domain';

export interface EventuallyOptions {
  /** Default 30,000: a slow machine is not an error, and whoever succeeds waits no longer. */
  readonly timeoutMs?: number;
  /** Default 20. */
  readonly intervalMs?: number;
  /** Describes the condition, for the error message. */
  readonly what?: string;
}

/**
 * Calls `check` until it neither throws nor returns `false`, and returns its result.
 *
 * @throws OperationalError `eventually` with the last failure when the time is up
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const { timeoutMs = 30_000, intervalMs = 20, what = 'the condition' } = options;
  const deadline = performance.now() + timeoutMs;
  for (let attempts = 1; ; attempts++) {
    let failure: unknown = 'it was false';
    try {
      const value = await check();
      if (value !== false) return value as Exclude<T, false>;
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= deadline) {
      throw new OperationalError(
        'eventually',
        `${what} did not hold within ${timeoutMs} ms (${attempts} attempts); last: ${messageOf(failure)}`,
        { what, timeoutMs },
        { cause: failure },
      );
    }
    await delay(intervalMs);
  }
}
