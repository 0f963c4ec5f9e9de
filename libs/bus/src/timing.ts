/**
 * Returns the delay before a retry. It doubles from `minMs` to `maxMs`. Half of it is random, so that a cluster does not reconnect in step.
 */
export function retryDelayMs(
  failures: number,
  backoff: { readonly minMs: number; readonly maxMs: number },
  random: () => number = Math.random,
): number {
  const fullMs = Math.min(backoff.maxMs, backoff.minMs * 2 ** Math.min(failures, 30));
  return fullMs * (0.5 + random() / 2);
}

export function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** Waits for `delayMs`. Ends early, without an error, when aborted. */
export function abortableDelay(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
