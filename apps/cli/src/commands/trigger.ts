import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperationalError, UserError } from '@millrace/domain';
import { say } from '../output.js';
import { allGood, PATIENCE_MS, reach } from './following.js';

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
  /** Null where the scheduler keeps the call, and builds later. */
  readonly buildset: { readonly id: number; readonly uuid: string } | null;
  readonly requests: readonly {
    readonly id: number;
    readonly uuid: string;
    readonly builder: string;
    readonly link: string;
  }[];
  /** In seconds since 1970. */
  readonly buildsAt?: number | null;
}

const TRIES = 20;
const RETRY_MS = 500;

/**
 * Runs `millrace trigger`.
 * @returns 0; with `wait`, 1 when a build did not succeed. Nobody waits for what a scheduler builds later.
 */
export async function trigger(options: TriggerOptions, patienceMs = PATIENCE_MS): Promise<number> {
  const answer = await post(options);
  if (answer.buildset === null) say(`${options.scheduler} keeps the call, and builds it ${timeOf(answer)}`);
  for (const request of answer.requests) say(`${request.builder}: ${request.link}`);
  if (!options.wait) return 0;
  const followed = answer.requests.map(({ id, builder, link }) => ({ id, builder, api: new URL('../api/v2/', link) }));
  return (await allGood(followed, { patienceMs })) ? 0 : 1;
}

function timeOf({ buildsAt = null }: Answer): string {
  return buildsAt === null ? 'when it is time' : `at ${new Date(buildsAt * 1000).toISOString()}`;
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
