import { hasReadableUser, schemeOf, UserError } from '@millrace/domain';
import type { BusOptions } from './port.js';
import { isTopic } from './topics.js';

/** `BusOptions` with all defaults filled in and the credentials taken out of the URL. */
export interface BusSettings {
  readonly kind: 'none' | 'wamp' | 'nats';
  readonly url: string;
  readonly realm: string;
  readonly prefix: string;
  readonly authId: string;
  readonly ticket: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  readonly maxQueued: number;
  readonly heartbeatMs: number;
  readonly backoff: { readonly minMs: number; readonly maxMs: number };
  readonly onWarning: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

const KINDS = { 'none:': 'none', 'ws:': 'wamp', 'wss:': 'wamp', 'nats:': 'nats', 'tls:': 'nats' } as const;
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Problem {
  readonly field: string;
  readonly value: unknown;
  readonly expected: string;
}

/**
 * Checks options and fills in the defaults.
 * @throws UserError `bad-bus-options`; its `problems` list every bad field with what was expected
 */
export function settingsFrom(options: BusOptions): BusSettings {
  const problems: Problem[] = [];
  const { realm = 'realm1', prefix = 'org.millrace', maxQueued = 10_000, heartbeatMs = 5_000 } = options;
  const { backoff = { minMs: 100, maxMs: 5_000 } } = options;
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
  const kind = url ? KINDS[url.protocol as keyof typeof KINDS] : undefined;
  if (!url || !kind || (kind !== 'none' && url.hostname === '')) {
    problems.push({
      field: 'url',
      value: schemeOf(String(options.url)),
      expected: 'none:, ws://…, wss://…, nats://… or tls://…',
    });
  } else if (!hasReadableUser(url)) {
    problems.push({
      field: 'url',
      value: schemeOf(String(options.url)),
      expected: 'percent-encoded user and password',
    });
  }
  if (!isTopic(prefix))
    problems.push({ field: 'prefix', value: prefix, expected: 'words with dots between, as org.millrace' });
  if (!isTopic(realm)) problems.push({ field: 'realm', value: realm, expected: 'words with dots between, as realm1' });
  checkInteger(problems, 'maxQueued', maxQueued, 1, Number.MAX_SAFE_INTEGER);
  checkInteger(problems, 'heartbeatMs', heartbeatMs, 10, MAX_TIMER_MS / 2);
  checkInteger(problems, 'backoff.minMs', backoff.minMs, 1, MAX_TIMER_MS);
  checkInteger(problems, 'backoff.maxMs', backoff.maxMs, backoff.minMs, MAX_TIMER_MS);
  if (!url || !kind || problems.length > 0) {
    const list = problems.map(({ field, value, expected }) => `${field}: '${String(value)}', expected ${expected}`);
    throw new UserError('bad-bus-options', `bus (MILLRACE_BUS): ${list.join('; ')}`, { problems });
  }

  const user = decodeURIComponent(url.username) || undefined;
  const password = decodeURIComponent(url.password) || undefined;
  const isToken = user !== undefined && password === undefined;
  url.username = '';
  url.password = '';
  return {
    kind,
    url: url.href,
    realm,
    prefix,
    authId: options.authId ?? user ?? 'millrace',
    ticket: options.ticket ?? password,
    user: options.user ?? (isToken ? undefined : user),
    password: options.password ?? password,
    token: options.token ?? (isToken ? user : undefined),
    maxQueued,
    heartbeatMs,
    backoff,
    onWarning: options.onWarning ?? ((): void => undefined),
  };
}

function checkInteger(problems: Problem[], field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    problems.push({ field, value, expected: `an integer from ${least} to ${most}` });
  }
}
