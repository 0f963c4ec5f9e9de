/**
 * Guarantees that the chaos suite switches off one at a time (`MILLRACE_TEST_SABOTAGE=fence,cause,poll`), to show that it would
 * notice their absence. Never set outside of it; every master warns loudly at start when it is.
 */
export type Guarantee = 'fence' | 'cause' | 'poll';

const removed = new Set((process.env.MILLRACE_TEST_SABOTAGE ?? '').split(',').filter(Boolean));

export function sabotaged(guarantee: Guarantee): boolean {
  return removed.has(guarantee);
}
