import { createHash, timingSafeEqual } from 'node:crypto';
import type { Hello } from './messages.js';

export interface Principal {
  readonly ticket: string;
  readonly role: string;
}

export interface AuthenticationOptions {
  /** Role of sessions that join without credentials. Without this option such sessions are refused. */
  readonly anonymousRole?: string;
  /** Tickets and roles by authid. */
  readonly principals?: Readonly<Record<string, Principal>>;
}

export type Admission =
  | { readonly kind: 'welcome'; readonly role: string }
  | { readonly kind: 'challenge'; readonly authId: string }
  | { readonly kind: 'refuse'; readonly reason: string; readonly message: string };

/** Decides about a HELLO. An unknown authid is challenged like a known one, so that nobody can probe for names. */
export function admit({ authMethods, authId }: Hello, options: AuthenticationOptions): Admission {
  if (options.principals && authMethods.includes('ticket') && authId !== null) {
    return { kind: 'challenge', authId };
  }
  if (options.anonymousRole !== undefined && authMethods.includes('anonymous')) {
    return { kind: 'welcome', role: options.anonymousRole };
  }
  const methods = [
    ...(options.principals ? ['ticket'] : []),
    ...(options.anonymousRole !== undefined ? ['anonymous'] : []),
  ];
  const message = `join with one of these authmethods: ${methods.join(', ')}`;
  return { kind: 'refuse', reason: 'wamp.error.no_auth_method', message };
}

/** Returns the role that the ticket gives, or undefined. Takes the same time for every wrong ticket. */
export function roleByTicket(authId: string, ticket: string, options: AuthenticationOptions): string | undefined {
  const principals = options.principals ?? {};
  const principal = Object.hasOwn(principals, authId) ? principals[authId] : undefined;
  const matches = timingSafeEqual(digest(ticket), digest(principal?.ticket ?? ''));
  // An empty ticket never matches, whatever was configured.
  return matches && principal && principal.ticket !== '' ? principal.role : undefined;
}

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
