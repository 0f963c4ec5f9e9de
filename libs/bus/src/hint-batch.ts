import type { Hint } from './hint-queue.js';
import { isPayload, isTopic } from './topics.js';

/** The topic of a message that carries several hints. A message costs a broker the same, however many hints are in it. */
export const BATCH_TOPIC = 'batch';

/** Limit of a message. What is larger is no crowd of small hints, and travels apart. */
const MAX_BATCH_CHARACTERS = 64 << 10;

/** Packs hints into one message. Returns null when they do not fit, or one of them cannot be encoded as JSON. */
export function packed(hints: readonly Hint[]): Hint | null {
  const entries = hints.map(({ topic, payload }) => [topic, payload]);
  try {
    if (JSON.stringify(entries).length > MAX_BATCH_CHARACTERS) return null;
  } catch {
    return null; // Sent apart, the one that cannot be encoded is refused, and counted.
  }
  return { topic: BATCH_TOPIC, payload: { hints: entries } };
}

/** Unpacks a received message. Returns null when that is not what it is. */
export function unpacked(payload: unknown): Hint[] | null {
  if (!isPayload(payload) || !Array.isArray(payload['hints'])) return null;
  const hints: Hint[] = [];
  for (const entry of payload['hints'] as unknown[]) {
    if (!Array.isArray(entry) || !isTopic(entry[0]) || !isPayload(entry[1])) return null;
    hints.push({ topic: entry[0] as string, payload: entry[1] });
  }
  return hints;
}
