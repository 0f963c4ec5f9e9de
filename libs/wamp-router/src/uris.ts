/** Loose WAMP URIs: components separated by dots, without white space and `#`; no component is empty. */
const URI = /^[^\s.#]+(?:\.[^\s.#]+)*$/;
/** As a URI, but it may be empty or end with a dot. */
const PREFIX_URI = /^(?:[^\s.#]+(?:\.[^\s.#]+)*\.?)?$/;

export function isUri(value: string): boolean {
  return URI.test(value);
}

export function isPrefixUri(value: string): boolean {
  return PREFIX_URI.test(value);
}
