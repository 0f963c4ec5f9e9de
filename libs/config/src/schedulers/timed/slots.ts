import { Cron } from 'croner';

/** Times at which a scheduler runs by itself. */
export type Slots =
  /** Multiples of this since 1970, so every master finds the same ones. */
  | { readonly kind: 'every'; readonly everyMs: number }
  /** `minute hour day-of-month month day-of-week`, by the clocks of a time zone. */
  | { readonly kind: 'cron'; readonly pattern: string; readonly timeZone: string };

/**
 * Returns the first slot after a time; null when there is none. Where clocks are set forward, a slot that does not exist is the moment at
 * which they are set. Where they are set back, one that exists twice is the first of the two; slots in steps (every hour, every ten
 * minutes) go on evenly.
 */
export function nextSlot(slots: Slots, afterMs: number): number | null {
  if (slots.kind === 'every') return (Math.floor(afterMs / slots.everyMs) + 1) * slots.everyMs;
  return cronOf(slots.pattern, slots.timeZone).nextRun(new Date(afterMs))?.getTime() ?? null;
}

export function isSlot(slots: Slots, atMs: number): boolean {
  return nextSlot(slots, atMs - 1) === atMs;
}

/** Returns what is wrong with the slots; null when nothing is. */
export function problemOfCron(pattern: string, timeZone: string): string | null {
  try {
    return cronOf(pattern, timeZone).nextRun(new Date(0)) ? null : 'there is no such time';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    // Thrown only for a name that the platform does not know.
    return false;
  }
}

/** Without `paused` the object would start a timer of its own once it had a function. It has none. */
function cronOf(pattern: string, timezone: string): Cron {
  return new Cron(pattern, { timezone, mode: '5-part', paused: true });
}
