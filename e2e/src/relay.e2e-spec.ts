import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { type Cluster, eventually, type Extra, freePort } from '@millrace/testing';
import { Api } from './resources.js';
import { FIXTURES, type Stack, startStack } from './stacks.js';

const WORKER = join(import.meta.dirname, '../../apps/worker/dist/main.js');
const PASSWORD = 'a password for relay and worker';
const LINES = 1000;

describe('a worker behind a relay', () => {
  let stack: Stack;
  let cluster: Cluster;
  let second: Extra;
  let relay: ChildProcess;

  beforeAll(async () => {
    stack = await startStack('embedded');
    const env = { E2E_LINES: String(LINES), MILLRACE_WORKER_PASSWORD: PASSWORD };
    cluster = await stack.start(join(FIXTURES, 'relay.config.ts'), env, ['--no-worker']);
    second = await cluster.add('engine', 'engine-2');
    const port = await freePort();
    const masters = [cluster.ports.workers, second.workerPort].map((one) => `ws://127.0.0.1:${one}`).join();
    const args = ['relay', '--master', masters, '--name', 'relay', '--listen', `127.0.0.1:${port}`];
    relay = spawn(process.execPath, [WORKER, ...args], { env: { MILLRACE_WORKER_TOKEN: PASSWORD }, stdio: 'ignore' });
    await cluster.add('worker', 'far', port);
    await eventually(() => cluster.output.some((line) => /worker attached.*"far"/.test(line)), {
      timeoutMs: 60_000,
      what: 'the worker behind the relay',
    });
  }, 240_000);
  afterAll(async () => {
    const exited = once(relay, 'exit');
    relay.kill();
    await exited;
    await cluster?.stop();
    await stack?.stop();
  });

  it('goes on with its build, on its own connection, when the engine behind its relay is killed', async () => {
    const api = new Api(cluster);
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['long'] });
    const attempts = () => api.attempts(requests[0]!.id);
    const [build] = await eventually(async () => (await attempts()).length > 0 && attempts(), { what: 'a build' });
    const logs = `/builds/${build!.buildid}/steps/1/logs`;
    const lines = async (): Promise<number> =>
      (await cluster.api<{ logs: { num_lines: number }[] }>(logs)).logs[0]?.num_lines ?? 0;
    await eventually(async () => (await lines().catch(() => 0)) > 100, { timeoutMs: 60_000, what: 'its log' });
    for (const pid of cluster.pids('engine')) process.kill(pid, 'SIGKILL');
    const ended = await eventually(async () => (await attempts()).every(({ complete }) => complete) && attempts(), {
      timeoutMs: 120_000,
      what: 'the end of the build',
    });
    expect(ended).toMatchObject([{ buildid: build!.buildid, results: Result.SUCCESS, attempt: 1 }]);
    const said = (await api.log(build!.buildid, 'count')).filter((line) => line.startsWith('line '));
    expect(said).toEqual(Array.from({ length: LINES }, (_, i) => `line ${i + 1}`));
    const { adoptions } = await cluster.api<{ adoptions: unknown[] }>(`/builds/${build!.buildid}/adoptions`);
    expect(adoptions).toHaveLength(1);
    const connections = cluster.output.filter((line) => /INFO +connected .*name=far/.test(line));
    expect(connections).toHaveLength(1);
  }, 300_000);
});
