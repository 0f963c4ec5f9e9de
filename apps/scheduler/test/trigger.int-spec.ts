import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@millrace/testing';
import { type Scheduler, Site } from './site.js';

let site: Site;
let scheduler: Scheduler;
beforeAll(async () => {
  site = await Site.make();
  site.configure({ schedulers: `trigger('t', { builders: ['b'] }), trigger('off', { builders: ['b'] })` });
  scheduler = await site.start();
});
afterAll(() => site.close());

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** With `node:http`: fetch does not let one lie about Host and Origin. */
function post(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(scheduler.trigger, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    });
    asked.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text) }));
    });
    asked.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

const buildsets = async (): Promise<number> =>
  (await site.db.get<{ n: number }>(`SELECT COUNT(*) AS n FROM buildsets`))!.n;

describe('POST /trigger', () => {
  const good = { scheduler: 't' };

  it.each<[string, unknown, Record<string, string>, number]>([
    ['a form', 'scheduler=t', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['plain text', JSON.stringify(good), { 'content-type': 'text/plain' }, 415],
    ['a foreign page', good, { origin: 'https://evil.example' }, 403],
    ['a name that was pointed here', good, { host: 'evil.example:8020' }, 403],
    ['a priority beyond all bounds', { ...good, priority: 1e300 }, {}, 400],
    ['a revision that is too long', { ...good, sourceStamp: { revision: 'r'.repeat(191) } }, {}, 400],
    ['no body', '', {}, 400],
  ])('refuses %s', async (_what, body, headers, status) => {
    const before = await buildsets();
    expect((await post(body, headers)).status).toBe(status);
    expect(await buildsets()).toBe(before);
  });

  it('names the field that is too long', async () => {
    const { body } = await post({ ...good, sourceStamp: { repository: 'r'.repeat(2001) } });
    expect(JSON.stringify(body)).toContain('sourceStamp.repository must be shorter');
  });

  it('lets curl in under every name of this machine, and our own pages', async () => {
    for (const [name, value] of [
      ['host', 'localhost:8020'],
      ['host', '[::1]:8020'],
      ['origin', 'http://localhost:8010'],
    ] as const)
      expect((await post(good, { [name]: value })).status).toBe(202);
  });

  it('starts nothing for a scheduler that is switched off', async () => {
    const key = { 'idempotency-key': 'off-1' };
    const first = await post({ scheduler: 'off' }, key);
    expect(first.status).toBe(202);
    await site.db.run(`UPDATE schedulers SET enabled = 0 WHERE name = 'off'`);
    const before = await buildsets();
    expect(await post({ scheduler: 'off' })).toMatchObject({ status: 409, body: { code: 'disabled' } });
    expect(await buildsets()).toBe(before);
    expect(await post({ scheduler: 'off' }, key)).toEqual({ status: 202, body: { ...first.body, repeated: true } });
  });

  it('repeats its answer after the scheduler was renamed', async () => {
    const key = { 'idempotency-key': 'renamed-1' };
    const first = await post(good, key);
    site.configure({ schedulers: `trigger('renamed', { builders: ['b'] })` });
    process.kill(scheduler.process.pid!, 'SIGHUP');
    await eventually(async () => (await post({ scheduler: 'renamed' })).status === 202, { what: 'the new name' });
    expect((await post(good)).status).toBe(404);
    expect(await post(good, key)).toEqual({ status: 202, body: { ...first.body, repeated: true } });
  });
});
