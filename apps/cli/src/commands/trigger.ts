import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperationalError, Result, resultName, UserError } from '@millrace/domain';
import { say } from '../output.js';

export interface TriggerOptions {
  readonly scheduler: string;
  readonly url: string;
  readonly token?: string | undefined;
  readonly builders?: readonly string[] | undefined;
  readonly branch?: string | undefined;
  readonly revision?: string | undefined;
  readonly repository?: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly reason?: string | undefined;
  readonly key?: string | undefined;
  readonly wait: boolean;
}

interface Answer {
  readonly buildset: { readonly id: number; readonly uuid: string };
  readonly requests: readonly {
    readonly id: number;
    readonly uuid: string;
    readonly builder: string;
    readonly link: string;
  }[];
}

const TRIES = 20;
const RETRY_MS = 500;
const POLL_MS = 300;
const ANSWER_TIMEOUT_MS = 20_000;
/** How long `--wait` goes on without any answer. */
const PATIENCE_MS = 60_000;

/**
 * Runs `millrace trigger`.
 * @returns 0; with `wait`, 1 when a build did not succeed
 */
export async function trigger(options: TriggerOptions, patienceMs = PATIENCE_MS): Promise<number> {
  const answer = await post(options);
  for (const request of answer.requests) say(`${request.builder}: ${request.link}`);
  if (!options.wait) return 0;
  const results = await Promise.all(answer.requests.map((request) => finished(request, patienceMs)));
  return results.every((result) => result === Result.SUCCESS || result === Result.WARNINGS) ? 0 : 1;
}

/** Sends the trigger request. Repetitions have the same key, so that they make one buildset. */
async function post(options: TriggerOptions): Promise<Answer> {
  const key = options.key ?? randomUUID();
  const { branch, revision, repository } = options;
  const body = JSON.stringify({
    scheduler: options.scheduler,
    ...(options.builders ? { builders: options.builders } : {}),
    ...((branch ?? revision ?? repository) ? { sourceStamp: { branch, revision, repository } } : {}),
    properties: options.properties,
    ...(options.reason ? { reason: options.reason } : {}),
  });
  for (let tries = 1; ; tries++) {
    try {
      const response = await reach(new URL('/trigger', options.url), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'idempotency-key': key,
          ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
        },
        body,
      });
      const text = await response.text();
      if (response.status === 202) return JSON.parse(text) as Answer;
      if (response.status < 500)
        throw new UserError('trigger-refused', `the scheduler refused (${response.status}): ${text}`);
      throw new OperationalError('trigger-unavailable', `the scheduler answered ${response.status}: ${text}`);
    } catch (error) {
      if (error instanceof UserError || tries === TRIES) throw error;
      say(`${messageOf(error)}; trying again`, process.stderr);
      await delay(RETRY_MS);
    }
  }
}

async function reach(url: URL, init: RequestInit, nobody = 'no scheduler'): Promise<Response> {
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
async function finished(request: Answer['requests'][number], patienceMs: number): Promise<Result> {
  let { id } = request;
  let answeredAt = performance.now();
  let said = '';
  for (;;) {
    try {
      const state = await stateOf(new URL(`../api/v2/buildrequests/${id}`, request.link));
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

async function stateOf(api: URL): Promise<RequestState> {
  const init = { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) };
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
