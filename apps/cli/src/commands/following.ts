import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperationalError, Result, resultName, UserError } from '@millrace/domain';
import { say } from '../output.js';

const POLL_MS = 300;
const ANSWER_TIMEOUT_MS = 20_000;
/** How long `--wait` goes on without any answer. */
export const PATIENCE_MS = 60_000;

/** A build request whose end is waited for. */
export interface FollowedRequest {
  readonly id: number;
  readonly builder: string;
  /** The data API that knows it, with a `/` at its end. */
  readonly api: URL;
}

export interface Following {
  readonly patienceMs: number;
  /** The token of an account, for those who have to sign in. */
  readonly token?: string | undefined;
}

/**
 * Waits until build requests have ended, and prints how.
 * @returns whether all results are good
 * @throws UserError `wait-refused`, OperationalError after `patienceMs` without an answer
 */
export async function allGood(requests: readonly FollowedRequest[], following: Following): Promise<boolean> {
  const results = await Promise.all(requests.map((request) => finished(request, following)));
  return results.every((result) => result === Result.SUCCESS || result === Result.WARNINGS);
}

/** Returns the header that carries a token. */
export function bearer(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/**
 * Fetches an address.
 * @throws OperationalError `trigger-unreachable`
 */
export async function reach(url: URL, init: RequestInit, nobody = 'no scheduler'): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    // The message of fetch is only 'fetch failed'; its cause tells why.
    const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
    throw new OperationalError(
      'trigger-unreachable',
      `${nobody} answers at ${url.origin}: ${why}`,
      { url: url.href },
      { cause: error },
    );
  }
}

/**
 * Waits for a build request to finish, and for the one that it was collapsed into.
 * @throws UserError `wait-refused`, OperationalError after `patienceMs` without an answer
 */
async function finished(request: FollowedRequest, { patienceMs, token }: Following): Promise<Result> {
  let { id } = request;
  let answeredAt = performance.now();
  let said = '';
  for (;;) {
    try {
      const state = await stateOf(new URL(`buildrequests/${id}`, request.api), token);
      const into = state.collapsed_into_buildrequestid ?? null;
      if (into !== null) {
        say(`${request.builder}: collapsed into build request ${into}`);
        id = into;
        continue;
      }
      if (state.complete) {
        say(`${request.builder}: ${resultName(state.results)}`);
        return state.results;
      }
      answeredAt = performance.now();
    } catch (error) {
      if (error instanceof UserError || performance.now() - answeredAt > patienceMs) throw error;
      const message = messageOf(error);
      if (message !== said) say(`${message}; asking again`, process.stderr);
      said = message;
    }
    await delay(POLL_MS);
  }
}

interface RequestState {
  readonly complete: boolean;
  readonly results: Result;
  readonly collapsed_into_buildrequestid?: number | null;
}

async function stateOf(api: URL, token: string | undefined): Promise<RequestState> {
  const headers = { accept: 'application/json', ...bearer(token) };
  const init = { headers, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) };
  const response = await reach(api, init, 'no user interface');
  const text = await response.text();
  if (response.status >= 400 && response.status < 500) {
    throw new UserError('wait-refused', `${api.href} answered ${response.status}: ${text.slice(0, 500)}`);
  }
  const [state] = requestsIn(text);
  if (response.ok && state) return state;
  throw new OperationalError('wait-unavailable', `${api.href} answered ${response.status}, and no build request`);
}

function requestsIn(text: string): RequestState[] {
  try {
    return (JSON.parse(text) as { buildrequests?: RequestState[] }).buildrequests ?? [];
  } catch {
    return []; // The answer is some other server's page.
  }
}
