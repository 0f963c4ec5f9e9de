import { createHash } from 'node:crypto';

/** Largest side of a picture, in pixels. */
const MAX_SIZE = 512;
const DEFAULT_SIZE = 32;

/** Whose picture is asked for, and how large. */
export interface AvatarRequest {
  readonly email: string;
  readonly name: string;
  readonly size: number;
}

/** Reads the query of `/avatar`, with Buildbot's parameters. */
export function avatarRequest(params: URLSearchParams): AvatarRequest {
  const size = Number(params.get('size') ?? params.get('s'));
  return {
    email: (params.get('email') ?? '').slice(0, 200),
    name: (params.get('username') ?? '').slice(0, 200),
    size: Number.isInteger(size) && size > 0 ? Math.min(size, MAX_SIZE) : DEFAULT_SIZE,
  };
}

/** Returns the address of a person's picture at Gravatar, as Buildbot writes it. */
export function gravatarOf({ email, size }: AvatarRequest): string {
  const hash = createHash('md5').update(email.toLowerCase()).digest('hex');
  return `//www.gravatar.com/avatar/${hash}?d=retro&s=${size}`;
}

/** Draws a picture of a person's initials, in a colour of their own. */
export function initialsPicture({ email, name, size }: AvatarRequest): string {
  const who = name === '' ? email : name;
  const hue = (createHash('sha256').update(who.toLowerCase()).digest()[0]! * 360) >> 8;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 32 32">` +
    `<rect width="32" height="32" rx="4" fill="hsl(${hue},45%,42%)"/>` +
    `<text x="16" y="21" text-anchor="middle" font-family="sans-serif" font-size="14" fill="#fff">${initialsOf(who)}</text></svg>`
  );
}

/** Returns the first letters of the first and the last word: letters and digits only, so that they may stand in a picture as they are. */
export function initialsOf(who: string): string {
  const words = who
    .replace(/<.*$/, '')
    .replace(/@.*$/, '')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
  const letters = words.length > 1 ? [words[0]!, words.at(-1)!] : words;
  return letters.map((word) => [...word][0]!.toUpperCase()).join('') || '?';
}
