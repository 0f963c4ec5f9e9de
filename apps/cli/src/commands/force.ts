import { readFile, stat } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { ForceSchedulerResource } from '@millrace/contracts';
import { messageOf, OperationalError, parseJson, PATCH_LIMITS, printable, UserError } from '@millrace/domain';
import { forceOrder, type ForceWishes, type WishedPatch } from '../force-order.js';
import { say } from '../output.js';
import { allGood, bearer, PATIENCE_MS, reach } from './following.js';

export interface ForceOptions {
  readonly wishes: ForceWishes;
  /** Where people find the pages. */
  readonly url: string;
  readonly token?: string | undefined;
  readonly wait: boolean;
}

const ANSWER_TIMEOUT_MS = 30_000;
/** Longest answer that is read: a form with thousands of choices. */
const ANSWER_LIMITS = { maxCharacters: 16 << 20, maxValues: 500_000 };

/**
 * Runs `millrace force`: fills in a builder's form and sends it.
 * @returns 0; with `wait`, 1 when the build did not succeed
 * @throws UserError `no-builder`, `force-refused` and what `forceOrder` throws
 */
export async function force({ wishes, url, token, wait }: ForceOptions): Promise<number> {
  if (!URL.canParse(url)) throw new UserError('bad-url', `'${printable(url, 200)}' is no address of a user interface`);
  const pages = new URL(url.endsWith('/') ? url : `${url}/`);
  const api = new URL('api/v2/', pages);
  const { builder } = wishes;
  const known = await ask(new URL(`builders?name=${encodeURIComponent(builder)}`, api), token);
  const [found] = (known as { builders: { builderid: number }[] }).builders;
  if (!found) throw new UserError('no-builder', `there is no builder '${printable(builder, 200)}'`, { builder });
  const { forceschedulers } = (await ask(new URL(`builders/${found.builderid}/forceschedulers`, api), token)) as {
    forceschedulers: ForceSchedulerResource[];
  };
  const { scheduler, params } = forceOrder(
    forceschedulers.filter(({ enabled, name }) => enabled || name === wishes.scheduler),
    wishes,
  );
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'force', params });
  const address = new URL(`forceschedulers/${encodeURIComponent(scheduler)}`, api);
  const { result } = (await ask(address, token, body)) as { result: [number, Record<string, number>] };
  const requests = Object.values(result[1]).map((id) => ({ id, builder, api }));
  for (const { id } of requests) say(`${builder}: ${new URL(`buildrequests/${id}`, pages).href}`);
  return !wait || (await allGood(requests, { patienceMs: PATIENCE_MS, token })) ? 0 : 1;
}

/**
 * Reads a patch.
 * @param file `-` for the standard input
 * @throws UserError `bad-patch`
 */
export async function readPatch(file: string, rest: Omit<WishedPatch, 'body'>): Promise<WishedPatch> {
  const most = PATCH_LIMITS.bodyCharacters;
  const refuse = (why: string): UserError => new UserError('bad-patch', `the patch '${printable(file, 200)}' ${why}`);
  try {
    // A file that is certainly too long is not read at all: a character takes four bytes at most.
    if (file !== '-' && (await stat(file)).size > 4 * most) throw refuse(`is longer than ${most} characters`);
    const body = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
    if (body.trim() === '') throw refuse('is empty: give the output of git diff');
    if (body.length > most) throw refuse(`is longer than ${most} characters`);
    return { ...rest, body };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw refuse(`cannot be read: ${messageOf(error)}`);
  }
}

async function ask(url: URL, token: string | undefined, body?: string): Promise<unknown> {
  const response = await reach(
    url,
    {
      headers: { accept: 'application/json', 'content-type': 'application/json', ...bearer(token) },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      ...(body !== undefined && { method: 'POST', body }),
    },
    'no user interface',
  );
  const answer = await response.text();
  if (response.ok) return parseJson(answer, ANSWER_LIMITS);
  if (response.status >= 500)
    throw new OperationalError('force-unavailable', `${url.href} answered ${response.status}: ${answer.slice(0, 500)}`);
  throw new UserError('force-refused', `refused (${response.status}): ${refusalIn(answer)}`);
}

/** Returns what an answer says is wrong: a text, or a text for each field. */
function refusalIn(answer: string): string {
  try {
    const { error } = JSON.parse(answer) as { error: string | { message: string | Record<string, string> } };
    const message = typeof error === 'string' ? error : error.message;
    if (typeof message === 'string') return message;
    return Object.entries(message)
      .map(([field, why]) => `${field}: ${why}`)
      .join('; ');
  } catch {
    return answer.slice(0, 1000); // The answer is some other server's page.
  }
}
