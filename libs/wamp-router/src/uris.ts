/** Loose WAMP URIs: components separated by dots, without white space and `#`; no component is empty. */
const URI = /^[^\s.#]+(?:\.[^\s.#]+)*$/;
/** As a URI, but it may be empty or end with a dot. */
const PREFIX_URI = /^(?:[^\s.#]+(?:\.[^\s.#]+)*\.?)?$/;

/** What is subscribed to and registered stays in memory. */
const MAX_CHARACTERS = 500;

export function isUri(value: string): boolean {
  return value.length <= MAX_CHARACTERS && URI.test(value);
}

export function isPrefixUri(value: string): boolean {
  return value.length <= MAX_CHARACTERS && PREFIX_URI.test(value);
}
