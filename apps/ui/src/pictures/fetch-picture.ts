import { lookup } from 'node:dns';
import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecurely } from 'node:https';
import type { LookupFunction } from 'node:net';
import { messageOf, OperationalError } from '@millrace/domain';
import ipaddr from 'ipaddr.js';

/** A picture of a person, as somebody else keeps it. */
export interface Picture {
  readonly type: string;
  readonly bytes: Buffer;
}

export interface PictureLimits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Whether addresses of private networks, and of this machine, may be asked. */
  readonly privateAddresses: boolean;
}

/** Types that browsers only draw. One of markup might bring scripts along. */
const TYPES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
/** Statuses of a service that has no picture of a person, or cannot make out whom is meant. */
const NOBODYS = [204, 400, 404, 410];

/**
 * Fetches a picture. It is never led elsewhere.
 * @returns null when there is none of this person, or none that may be shown
 * @throws OperationalError `avatar-source`
 */
export async function fetchPicture(address: string, limits: PictureLimits): Promise<Picture | null> {
  const url = new URL(address);
  try {
    const literal = url.hostname.replace(/^\[|\]$/g, '');
    if (!limits.privateAddresses && ipaddr.isValid(literal)) assertPublic(literal);
    const answer = await answerOf(url, limits);
    const type = (answer.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
    const bytes = answer.statusCode === 200 && TYPES.includes(type) ? await bytesOf(answer, limits) : null;
    answer.destroy();
    if (bytes) return { type, bytes };
    if (answer.statusCode === 200 || NOBODYS.includes(answer.statusCode!)) return null;
    throw failure(`it answered ${answer.statusCode}`);
  } catch (cause) {
    const message = `no pictures from ${url.host}: ${messageOf(cause)}`;
    throw new OperationalError('avatar-source', message, { host: url.host }, { cause });
  }
}

function answerOf(url: URL, { timeoutMs, privateAddresses }: PictureLimits): Promise<IncomingMessage> {
  const options = {
    // A connection that was made under other limits is not used.
    agent: false,
    headers: { accept: TYPES.join(', '), 'user-agent': 'millrace' },
    signal: AbortSignal.timeout(timeoutMs),
    ...(privateAddresses ? {} : { lookup: lookupPublic }),
  };
  return new Promise((resolve, reject) => {
    (url.protocol === 'https:' ? getSecurely : getPlain)(url, options, resolve).on('error', reject);
  });
}

/** Reads a picture; null when it is too large. */
async function bytesOf(answer: IncomingMessage, { maxBytes }: PictureLimits): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Looks a host up for a connection: what is looked at here is what is connected to. */
const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    try {
      if (error) throw error;
      for (const { address } of found) assertPublic(address);
    } catch (cause) {
      callback(cause as Error, []);
      return;
    }
    if (options.all) callback(null, found);
    else callback(null, found[0]!.address, found[0]!.family);
  });
};

function assertPublic(address: string): void {
  // `process` takes an IPv4 address in IPv6 for what it is.
  if (ipaddr.process(address).range() !== 'unicast')
    throw failure(`${address} is not a public address: www.avatars.privateAddresses would allow it`);
}

function failure(why: string): OperationalError {
  return new OperationalError('avatar-source', why);
}
