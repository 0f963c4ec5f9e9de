import { parseJson, UserError } from '@millrace/domain';
import type { BusPayload } from './port.js';

/** Words that are valid both as WAMP URI components and as NATS tokens. */
const TOPIC = /^[^\s.#*>]+(?:\.[^\s.#*>]+)*$/;

const MAX_TOPIC_CHARACTERS = 500;
/** Limits of a received message. Hints and answers to diagnostics are small. */
const WIRE_LIMITS = { maxDepth: 32, maxValues: 20_000, maxCharacters: 1 << 20 };

export function isTopic(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_TOPIC_CHARACTERS && TOPIC.test(value);
}

/**
 * Checks a topic.
 * @throws UserError `bad-topic`
 */
export function checkTopic(value: string): void {
  if (!isTopic(value)) throw new UserError('bad-topic', `'${value}' is not words with dots between`, { topic: value });
}

/** Whether `topic` is `prefix` or lies below it, by whole words: `builds` covers `builds.1`, not `buildsets.1`. */
export function covers(prefix: string, topic: string): boolean {
  if (prefix === '' || topic === prefix) return true;
  return topic.startsWith(prefix) && topic[prefix.length] === '.';
}

/** Whether a parsed message is a JSON object. Its contents need no check, because they were parsed from JSON. */
export function isPayload(value: unknown): value is BusPayload {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Parses a received message.
 * @throws UserError as `parseJson` does
 */
export function parseWire(text: string): unknown {
  return parseJson(text, WIRE_LIMITS, 'a message of the bus');
}
