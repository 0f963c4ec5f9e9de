import { createHash, timingSafeEqual } from 'node:crypto';
import type { Dict } from './messages.js';

export interface Principal {
  readonly ticket: string;
  readonly role: string;
}

export interface AuthenticationOptions {
  /** Role of sessions that join without credentials; without it they are refused. */
  readonly anonymousRole?: string;
  /** authid → ticket and role. */
  readonly principals?: Readonly<Record<string, Principal>>;
}

export type Admission =
  | { readonly kind: 'welcome'; readonly role: string }
  | { readonly kind: 'challenge'; readonly authId: string }
  | { readonly kind: 'refuse'; readonly reason: string; readonly message: string };

/** What to do about a HELLO. An unknown authid is challenged as a known one is, so that nobody can probe for names. */
export function admit(details: Dict, options: AuthenticationOptions): Admission {
  const offered = Array.isArray(details['authmethods']) ? (details['authmethods'] as unknown[]) : ['anonymous'];
  const { authid } = details;
  if (options.principals && offered.includes('ticket') && typeof authid === 'string') {
    return { kind: 'challenge', authId: authid };
  }
  if (options.anonymousRole !== undefined && offered.includes('anonymous')) {
    return { kind: 'welcome', role: options.anonymousRole };
  }
  const methods = [
    ...(options.principals ? ['ticket'] : []),
    ...(options.anonymousRole !== undefined ? ['anonymous'] : []),
  ];
  const message = `join with one of these authmethods: ${methods.join(', ')}`;
  return { kind: 'refuse', reason: 'wamp.error.no_auth_method', message };
}

/** The role that the ticket opens, or undefined. Takes the same time for every wrong ticket. */
export function roleByTicket(authId: string, ticket: string, options: AuthenticationOptions): string | undefined {
  const principals = options.principals ?? {};
  const principal = Object.hasOwn(principals, authId) ? principals[authId] : undefined;
  const matches = timingSafeEqual(digest(ticket), digest(principal?.ticket ?? ''));
  return matches && principal ? principal.role : undefined;
}

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
