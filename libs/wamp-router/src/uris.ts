/** Loose WAMP URIs: components separated by dots, without white space and `#`. No component is empty. */
const URI = /^[^\s.#]+(?:\.[^\s.#]+)*$/;
/** A prefix of a URI. It may be empty or end with a dot. */
const PREFIX_URI = /^(?:[^\s.#]+(?:\.[^\s.#]+)*\.?)?$/;

/** Longest URI. Subscribed and registered URIs stay in memory. */
const MAX_CHARACTERS = 500;

export function isUri(value: string): boolean {
  return value.length <= MAX_CHARACTERS && URI.test(value);
}

export function isPrefixUri(value: string): boolean {
  return value.length <= MAX_CHARACTERS && PREFIX_URI.test(value);
}
