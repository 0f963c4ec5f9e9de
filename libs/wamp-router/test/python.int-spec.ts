import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  crossbarFolder,
  requireService,
  startCrossbar,
  startEmbeddedRouter,
  type Service,
} from '@millrace/testing/services';

const run = promisify(execFile);

/** The Python client (python-client.py) must report the same on our router and on crossbar. */
(requireService('crossbar') ? describe : describe.skip).each([
  ['the embedded router', startEmbeddedRouter],
  ['crossbar', startCrossbar],
] as const)('Python autobahn with %s', (_name, start) => {
  let router: Service;
  beforeAll(async () => {
    router = await start({ ticket: 's3cret-of-this-test' });
  }, 90_000);
  afterAll(() => router.stop());

  async function python(ticket: string): Promise<unknown> {
    const script = join(import.meta.dirname, 'python-client.py');
    const { stdout } = await run(join(crossbarFolder(), 'bin', 'python'), [script, router.url, ticket], {
      timeout: 60_000,
    });
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  }

  it('joins, subscribes, publishes, registers, calls and leaves', async () => {
    expect(await python('s3cret-of-this-test')).toEqual({
      exact: [['org.millrace.a.b', [1], { k: 'ž' }]],
      prefix: [
        ['org.millrace.a.b', [1], { k: 'ž' }],
        ['org.millrace.ab', [2], {}],
      ],
      excluded: 0,
      sum: 5,
      failure: 'org.millrace.error.no',
      unknown: 'wamp.error.no_such_procedure',
      forbidden: 'wamp.error.not_authorized',
      afterUnsubscribe: 2,
    });
  }, 90_000);

  it('is refused with a wrong ticket', async () => {
    expect(await python('wrong')).toEqual({ left: 'wamp.error.not_authorized' });
  }, 90_000);
});
