import { PUBLIC_PATH } from './public-path';

export interface Page<T> {
  readonly items: T[];
  /** Path of the next page, below `/api/v2/`. */
  readonly next: string | null;
  readonly total: number | undefined;
}

/** An error answer of the server. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Errors of a form, by field. */
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** Whether a retry may succeed. */
export function mayPass(error: Error): boolean {
  return !(error instanceof ApiError) || error.status >= 500;
}

const BASE = `${PUBLIC_PATH}/api/v2/`;
/** Longest time for an answer. A server that takes longer counts as unavailable. */
const ANSWER_MS = 60_000;

/** Returns a signal that aborts with `signal`, or when the answer takes too long. */
function patience(signal?: AbortSignal): AbortSignal {
  const tooLong = AbortSignal.timeout(ANSWER_MS);
  return signal ? AbortSignal.any([signal, tooLong]) : tooLong;
}

/**
 * Fetches one page of a list.
 * @param path below `/api/v2/`, with its query string
 */
export async function fetchPage<T>(path: string, plural: string, signal?: AbortSignal): Promise<Page<T>> {
  const response = await fetch(BASE + path, { headers: { accept: 'application/json' }, signal: patience(signal) });
  if (!response.ok) {
    // Error answers of proxies are not JSON.
    const { error } = (await response.json().catch(() => ({}))) as { error?: string };
    throw new ApiError(response.status, error ?? `the server answered ${response.status}`);
  }
  const body = (await response.json()) as Record<string, unknown> & { meta?: { next?: string; total?: number } };
  return {
    items: body[plural] as T[],
    next: body.meta?.next?.slice(BASE.length) ?? null,
    total: body.meta?.total,
  };
}

/** Sends a command to a resource (JSON-RPC). */
export async function control(path: string, method: string, params: Record<string, unknown> = {}): Promise<unknown> {
  const response = await fetch(BASE + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: patience(),
  });
  const body = (await response.json()) as { result?: unknown; error?: { message: string | Record<string, string> } };
  const message = body.error?.message;
  if (typeof message === 'object') throw new ApiError(response.status, Object.values(message).join('; '), message);
  if (!response.ok || body.error)
    throw new ApiError(response.status, message ?? `the server answered ${response.status}`);
  return body.result;
}

/** Whoever looks at the page. */
export type User = { readonly anonymous: true } | { readonly username: string; readonly full_name?: string };

/** What needs a right of its own. */
export type Right = 'force' | 'rebuild' | 'stop' | 'enable' | 'control' | 'revert' | 'audit';

export interface SignInProvider {
  readonly name: string;
  readonly label: string;
}

export interface SiteConfig {
  /** How people can sign in: with a name and a password, or at the page of a provider. */
  readonly sign_in: { readonly passwords: boolean; readonly providers: readonly SignInProvider[] };
  readonly user: User;
  readonly user_any_access_allowed: boolean;
  /** What the user may do nowhere, with the reasons. */
  readonly refused: Readonly<Partial<Record<Right, string>>>;
  readonly title: string;
  readonly bus: 'connected' | 'connecting' | 'off';
  readonly versions: readonly (readonly [string, string])[];
}

export async function fetchSiteConfig(signal?: AbortSignal): Promise<SiteConfig> {
  const response = await fetch(`${PUBLIC_PATH}/config`, {
    headers: { accept: 'application/json' },
    signal: patience(signal),
  });
  if (!response.ok) throw new ApiError(response.status, `the server answered ${response.status}`);
  return (await response.json()) as SiteConfig;
}

/** Returns the address that leads to a provider's page, and from there back to a page of this site. */
export function signInAddress(provider: string, target: string): string {
  return `${PUBLIC_PATH}/auth/login/${provider}?redirect=${encodeURIComponent(target)}`;
}

/** Signs in, and returns when the browser has the session's cookie. */
export async function signIn(username: string, password: string): Promise<void> {
  await postAuth('login', { username, password });
}

export async function signOut(): Promise<void> {
  await postAuth('logout', {});
}

async function postAuth(what: 'login' | 'logout', body: object): Promise<void> {
  const response = await fetch(`${PUBLIC_PATH}/auth/${what}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: patience(),
  });
  if (response.ok) return;
  const { error } = (await response.json().catch(() => ({}))) as { error?: string };
  throw new ApiError(response.status, error ?? `the server answered ${response.status}`);
}
