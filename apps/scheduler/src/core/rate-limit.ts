/** Longest time that a forge may make us wait. */
const MOST_MS = 3_600_000;
/** How long we wait when a forge refuses for its rate limit and does not say until when. */
const UNKNOWN_MS = 60_000;

/**
 * Returns how long a forge wants to be left alone; null when it may be asked again at once.
 *
 * @param header returns a header by its name in lower case
 * @param nowMs time of day, which the forge's clock is compared to
 */
export function rateLimitMs(status: number, header: (name: string) => string | null, nowMs: number): number | null {
  const number = (...names: readonly string[]): number | null => {
    const text = names.map(header).find((value) => value !== null && value !== undefined);
    return text !== null && text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;
  };
  const remaining = number('x-ratelimit-remaining', 'ratelimit-remaining');
  const afterS = number('retry-after');
  const isRefused = status === 429 || (status === 403 && (remaining === 0 || afterS !== null));
  if (!isRefused && remaining !== 0) return null;
  const resetS = number('x-ratelimit-reset', 'ratelimit-reset');
  const waitMs = afterS !== null ? afterS * 1000 : resetS !== null ? resetS * 1000 - nowMs : UNKNOWN_MS;
  return Math.min(Math.max(waitMs, 1000), MOST_MS);
}
