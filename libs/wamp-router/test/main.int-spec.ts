import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { describe, expect, it, jest } from '@jest/globals';
import { eventually, freePort } from '@millrace/testing/services';
import { RawClient } from './raw-client.js';

// The tests run real servers on a machine that may be busy. Every wait in them has its own limit.
jest.setTimeout(60_000);

const MAIN = join(dirname(createRequire(import.meta.url).resolve('@millrace/wamp-router')), 'main.js');

interface Run {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly exit: Promise<number | null>;
  output(): string;
}

function run(environment: Record<string, string>): Run {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (data: Buffer) => (text += data.toString()));
  child.stderr.on('data', (data: Buffer) => (text += data.toString()));
  return { child, exit: new Promise((resolve) => child.once('close', resolve)), output: () => text };
}

describe('the router process', () => {
  it('says where it listens, refuses a second one on its port, and stops cleanly on SIGTERM', async () => {
    const port = String(await freePort());
    const first = run({ MILLRACE_ROUTER_PORT: port, MILLRACE_ROUTER_ANONYMOUS: '1' });
    await eventually(() => first.output() === `router listening on ws://127.0.0.1:${port}/ws\n`, { what: 'the line' });

    const second = run({ MILLRACE_ROUTER_PORT: port, MILLRACE_ROUTER_ANONYMOUS: '1' });
    expect(await second.exit).toBe(78);
    expect(second.output()).toBe(
      `router: port ${port} on 127.0.0.1 is taken; set MILLRACE_ROUTER_PORT to another one for the router\n`,
    );

    const client = await RawClient.join(`ws://127.0.0.1:${port}/ws`);
    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(0);
    expect(await client.next(6)).toEqual([6, {}, 'wamp.close.system_shutdown']);
  });

  it.each([
    ['no ticket', {}],
    ['an empty ticket', { MILLRACE_ROUTER_TICKET: '' }],
    ['a short ticket', { MILLRACE_ROUTER_TICKET: 'short' }],
    ['nobody to keep out, on the network', { MILLRACE_ROUTER_ANONYMOUS: '1', MILLRACE_ROUTER_HOST: '0.0.0.0' }],
  ])('does not start with %s', async (_what, environment) => {
    const open = run({ MILLRACE_ROUTER_PORT: '0', ...environment });
    expect(await open.exit).toBe(78);
    expect(open.output()).toMatch(/^router: .*MILLRACE_ROUTER_TICKET/);
    expect(open.output()).not.toContain('short');
  });
});
