import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperationalError, Result, resultName, UserError } from '@millrace/domain';

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

/** `millrace trigger`. @returns 0; with `wait`, 1 when a build did not succeed */
export async function trigger(options: TriggerOptions): Promise<number> {
  const answer = await post(options);
  for (const request of answer.requests) process.stdout.write(`${request.builder}: ${request.link}\n`);
  if (!options.wait) return 0;
  const results = await Promise.all(answer.requests.map((request) => finished(request)));
  return results.every((result) => result === Result.SUCCESS || result === Result.WARNINGS) ? 0 : 1;
}

/** The same key every time, so that a repeated request makes one buildset. */
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
      process.stderr.write(`${messageOf(error)}; trying again\n`);
      await delay(RETRY_MS);
    }
  }
}

async function reach(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    // fetch says only 'fetch failed'; the cause says why.
    const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : messageOf(error);
    throw new OperationalError(
      'trigger-unreachable',
      `no scheduler answers at ${url.origin}: ${why}`,
      { url: url.href },
      { cause: error },
    );
  }
}

async function finished(request: Answer['requests'][number]): Promise<Result> {
  const api = new URL(`/api/v2/buildrequests/${request.id}`, request.link);
  for (;;) {
    try {
      const response = await fetch(api, { headers: { accept: 'application/json' } });
      const body = (await response.json()) as { buildrequests?: { complete: boolean; results: Result }[] };
      const state = body.buildrequests?.[0];
      if (state?.complete) {
        process.stdout.write(`${request.builder}: ${resultName(state.results)}\n`);
        return state.results;
      }
    } catch (error) {
      process.stderr.write(`${messageOf(error)}; asking again\n`);
    }
    await delay(POLL_MS);
  }
}
