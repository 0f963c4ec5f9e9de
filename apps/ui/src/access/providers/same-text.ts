import { timingSafeEqual } from 'node:crypto';

/** Compares texts in a time that does not show where they differ. */
export function isSameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
