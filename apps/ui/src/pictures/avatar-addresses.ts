import { createHash } from 'node:crypto';
import type { AvatarRequest } from './avatar.js';

const EMAIL = /^[^\s@<>]{1,100}@[^\s@<>]{1,100}$/;
/** Neither a dot first nor a slash, so that a name stays one element of a path. */
const LOGIN = /^[\da-z][\w.-]{0,38}$/i;
/** What forges put in the place of an address that is not to be told: a number, perhaps, and the login. */
const NO_REPLY = /^(?:\d+[+-])?([\da-z][\w.-]{0,38})@users\.noreply\.[\w.-]+$/i;

/** Sizes that services are asked for, so that one picture serves for many. */
const SIZES = [32, 64, 128, 256, 512];

/** Returns where a person's picture may be, in the order in which to ask. A source that needs what is not known about the person is left out. */
export function addressesOf(templates: readonly string[], { email, name, size }: AvatarRequest): string[] {
  const address = EMAIL.test(email) ? email.toLowerCase() : null;
  const username = LOGIN.test(name) ? name : null;
  const places: Readonly<Record<string, string | null>> = {
    md5: address && createHash('md5').update(address).digest('hex'),
    sha256: address && createHash('sha256').update(address).digest('hex'),
    email: address,
    username,
    login: NO_REPLY.exec(email)?.[1] ?? username,
    size: String(SIZES.find((side) => side >= size) ?? SIZES.at(-1)),
  };
  return templates.flatMap((template) => {
    const needed = [...template.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!);
    if (needed.some((place) => (places[place] ?? null) === null)) return [];
    return [template.replace(/\{(\w+)\}/g, (_whole, place: string) => encodeURIComponent(places[place]!))];
  });
}
