import { printable } from './printable.js';

/** The host names under which a listener may be called, and the pages that may call it. Every HTTP port of ours uses this rule. */
export interface ListenerRule {
  /** Names beside `localhost` and plain addresses, which nobody else's DNS can point at this machine. */
  readonly hostNames: ReadonlySet<string>;
  /** Origin of the web app's pages. */
  readonly publicOrigin: string | null;
  /** The path below which people reach the pages, such as `/ci`; empty when that is the root. */
  readonly publicPath: string;
}

export interface ListenerNames {
  /** The setting `MILLRACE_URL`. */
  readonly publicUrl?: string | null;
  /** The setting `MILLRACE_ALLOWED_HOSTS`. */
  readonly allowedHosts?: readonly string[];
  /** The host name of this machine. */
  readonly machine?: string;
}

/** The relevant headers of a request: `Host` is where it went, `Origin` the page for which a browser sends it. */
export interface Asking {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
}

export interface ListenerRefusal {
  readonly status: 421 | 403;
  readonly code: 'foreign-host' | 'foreign-origin';
  /** What to do about it, for the person who reads the answer. */
  readonly error: string;
}

const MAX_ALLOWED_HOSTS = 100;
const HOST = /^(\[[\da-f:.]{2,45}\]|[a-z\d_.-]{1,253})(?::\d{1,5})?$/i;
const HOST_NAME = /^[a-z\d_-]{1,63}(?:\.[a-z\d_-]{1,63}){0,126}$/;
const MAX_ORIGIN_CHARACTERS = 300;

export function listenerRule({ publicUrl = null, allowedHosts = [], machine = '' }: ListenerNames = {}): ListenerRule {
  const url = publicUrl === null ? null : new URL(publicUrl);
  const own = normal(machine);
  return {
    hostNames: new Set([...(url ? [normal(url.hostname)] : []), own, own.split('.')[0]!, ...allowedHosts.map(normal)]),
    publicOrigin: url ? url.origin : null,
    publicPath: url ? url.pathname.replace(/\/+$/, '') : '',
  };
}

/** Returns a request's address without the public path. A proxy may have taken it off already. */
export function withoutPublicPath({ publicPath }: Pick<ListenerRule, 'publicPath'>, url: string): string {
  if (publicPath === '' || !url.startsWith(publicPath)) return url;
  const rest = url.slice(publicPath.length);
  if (rest.startsWith('/')) return rest;
  return rest === '' || rest.startsWith('?') ? `/${rest}` : url;
}

/**
 * Returns why a request is refused; null when it is accepted. A page from elsewhere can make a browser send requests here. Its owner can
 * also point a host name of theirs here (DNS rebinding), so that the browser takes that page for this listener's own. Programs send no
 * `Origin`; every browser sends `Host`.
 */
export function refusedBy(rule: ListenerRule, { host, origin }: Asking): ListenerRefusal | null {
  if (host !== undefined && !isAllowedHost(rule, host)) {
    const error = `this is not '${printable(host, 100)}': set MILLRACE_URL to the address that people use, or name the host in MILLRACE_ALLOWED_HOSTS`;
    return { status: 421, code: 'foreign-host', error };
  }
  if (origin !== undefined && !isAllowedOrigin(rule, host, origin)) {
    const error = `pages from ${printable(origin, 100)} may not ask here: MILLRACE_URL has to be the address that people use`;
    return { status: 403, code: 'foreign-origin', error };
  }
  return null;
}

/** Reads the setting `MILLRACE_ALLOWED_HOSTS`: host names with commas between. Invalid names are added to `problems`. */
export function readAllowedHosts(setting: string, problems: string[]): string[] {
  const names = setting
    .slice(0, MAX_ALLOWED_HOSTS * 256)
    .split(',')
    .map(normal)
    .filter(Boolean);
  if (names.length > MAX_ALLOWED_HOSTS || setting.length > MAX_ALLOWED_HOSTS * 256)
    problems.push(`MILLRACE_ALLOWED_HOSTS names more than ${MAX_ALLOWED_HOSTS} hosts`);
  for (const name of names) {
    if (!HOST_NAME.test(name)) {
      problems.push(
        `MILLRACE_ALLOWED_HOSTS has '${printable(name, 100)}': expected host names such as ci.example.org, without scheme, port or *`,
      );
    }
  }
  return names;
}

/** Whether only this machine can reach a listener at this address. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || /^127(?:\.\d{1,3}){3}$/.test(address);
}

function isAllowedHost(rule: ListenerRule, host: string): boolean {
  const name = HOST.exec(host)?.[1];
  return name !== undefined && (isPlain(normal(name)) || rule.hostNames.has(normal(name)));
}

function isAllowedOrigin(rule: ListenerRule, host: string | undefined, origin: string): boolean {
  if (origin.length > MAX_ORIGIN_CHARACTERS || !URL.canParse(origin)) return false;
  const from = new URL(origin);
  if (from.origin === rule.publicOrigin) return true;
  if ((from.protocol !== 'http:' && from.protocol !== 'https:') || host === undefined) return false;
  // Compared as URLs, because a default port may be left out.
  const asked = `${from.protocol}//${host}`;
  return URL.canParse(asked) && new URL(asked).host === from.host;
}

/** Whether a host name cannot be pointed at this machine by anybody else. */
function isPlain(name: string): boolean {
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name.startsWith('[') ||
    /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name)
  );
}

function normal(name: string): string {
  return name.trim().toLowerCase().replace(/\.$/, '');
}
