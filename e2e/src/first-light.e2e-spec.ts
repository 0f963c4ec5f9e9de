import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Result } from '@millrace/domain';
import { type Cluster, eventually } from '@millrace/testing';
import { TestRepository } from './git-repository.js';
import { Api } from './resources.js';
import { availableStacks, FIXTURES, millrace, millraceSoon, type Stack, startStack } from './stacks.js';

describe.each(availableStacks())('first light on %s', (name) => {
  let stack: Stack;
  let cluster: Cluster;
  let api: Api;
  let repository: TestRepository;
  const config = join(FIXTURES, 'first-light.config.ts');
  const start = async (): Promise<void> => {
    cluster = await stack.start(config, { E2E_REPOSITORY: repository.url, MILLRACE_RUNNER_MEMORY_MB: '128' });
    api = new Api(cluster);
  };
  const finished = (requestId: number, timeoutMs = 30_000): Promise<number> =>
    eventually(
      async () => {
        const request = await api.request(requestId);
        return request.complete && [request.results];
      },
      { timeoutMs, what: `request ${requestId}` },
    ).then((results) => results[0]!);
  const run = async (builder: string, properties = {}): Promise<{ requestId: number; results: number }> => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: [builder], properties });
    return { requestId: requests[0]!.id, results: await finished(requests[0]!.id) };
  };

  beforeAll(async () => {
    stack = await startStack(name);
    repository = new TestRepository(join(stack.folder, 'repository'));
    repository.commit('good');
    repository.checkout('failing');
    repository.commit('bad');
    repository.checkout('main');
    await start();
  }, 120_000);
  afterAll(async () => {
    await cluster.stop();
    await stack.stop();
  });

  it('builds the existing branches on first sight, the failing branch red', async () => {
    const builds = await eventually(
      async () => {
        const all = await api.builds();
        return all.length === 2 && all.every((build) => build.complete) && all;
      },
      { timeoutMs: 30_000, what: 'both branches' },
    );
    const byBranch = new Map((builds || []).map((build) => [build.properties['branch']![0], build]));
    expect(byBranch.get('main')).toMatchObject({ results: Result.SUCCESS, state_string: 'build successful' });
    expect(byBranch.get('failing')).toMatchObject({ results: Result.FAILURE });
    expect(await api.log(byBranch.get('failing')!.buildid, 'build')).toContain('bad');
  });

  it('notices a commit and builds it', async () => {
    const revision = repository.commit('good again');
    const build = await eventually(
      async () => (await api.builds()).find((one) => one.properties['revision']![0] === revision) ?? false,
      { what: 'a build of the new commit' },
    );
    expect(await finished((build as { buildrequestid: number }).buildrequestid)).toBe(Result.SUCCESS);
    const { changes } = await cluster.api<{ changes: { comments: string; files: string[]; author: string }[] }>(
      '/changes?order=-changeid&limit=1',
    );
    expect(changes[0]).toMatchObject({
      comments: 'source: good again',
      files: ['source.txt'],
      author: 'Ada <ada@example.org>',
    });
  });

  it('runs every kind of step', async () => {
    const { requestId, results: outcome } = await run('parade');
    expect(outcome).toBe(Result.WARNINGS);
    const [build] = await api.attempts(requestId);
    const steps = await api.steps(build!.buildid);
    expect(steps.map((step) => [step.name, step.results])).toEqual([
      ['worker_preparation', 0],
      [expect.any(String), 0],
      ['interpolated', 0],
      ['streams', 0],
      ['write', 0],
      ['keep', 0],
      ['fetch', 0],
      ['compare', 0],
      ['skipped', Result.SKIPPED],
      ['warned', Result.FAILURE],
      ['junit', Result.FAILURE],
      ['own', 0],
      ['cleanup', 0],
    ]);
    expect(await api.log(build!.buildid, 'interpolated')).toContain('the answer is 42');
    expect(await api.log(build!.buildid, 'streams')).toEqual(
      expect.arrayContaining(['out', 'err', '\u001b[31mred\u001b[0m']),
    );
    const path = `/builds/${build!.buildid}`;
    const { test_result_sets: sets } = await cluster.api<{ test_result_sets: { test_result_setid: number }[] }>(
      `${path}/test_result_sets`,
    );
    expect(sets).toMatchObject([{ description: 'unit tests', tests_passed: 1, tests_failed: 1, complete: true }]);
    const results = await cluster.api(`/test_result_sets/${sets[0]!.test_result_setid}/results?value=0`);
    expect(results).toMatchObject({
      test_results: [
        { test_name: 'sums.carries', test_code_path: 'sums.test.ts', line: 7, message: 'expected 10\ngot 0' },
      ],
    });
    expect(await (await fetch(`${cluster.url}/api/v2${path}/data/coverage/value`)).text()).toBe('91 %');
    const report = await fetch(`${cluster.url}/api/v2/builds/${build!.buildid}/steps/own/logs/report.html/raw_inline`);
    expect(report.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(report.headers.get('content-security-policy')).toContain('sandbox');
    expect(await report.text()).toBe('<h1>all well</h1>\n');
  });

  it('triggers once per Idempotency-Key, with a link that works before any engine has seen the request', async () => {
    const body = { scheduler: 'trigger', builders: ['nobody'] };
    const first = await cluster.trigger(body, 'key-1');
    const again = await cluster.trigger({ builders: ['nobody'], scheduler: 'trigger' }, 'key-1');
    expect(again).toEqual({ ...first, repeated: true });
    await expect(cluster.trigger({ ...body, reason: 'other' }, 'key-1')).rejects.toMatchObject({
      fields: { status: 409 },
    });
    const link = new URL(first.requests[0]!.link);
    expect((await fetch(`${cluster.url}${link.pathname}`)).status).toBe(200);
    const request = await api.request(first.requests[0]!.uuid);
    expect(request).toMatchObject({ buildrequestid: first.requests[0]!.id, claimed: false, complete: false });
    await cluster.call(`/buildrequests/${request.buildrequestid}`, 'cancel', { reason: 'enough' });
    expect(await finished(request.buildrequestid)).toBe(Result.CANCELLED);
  });

  it('stops a running build, runs its alwaysRun steps, and rebuilds it', async () => {
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['slow'] });
    const requestId = requests[0]!.id;
    const build = await eventually(async () => {
      const [one] = await api.attempts(requestId);
      return (await api.log(one!.buildid, 'sleep')).includes('begun') && one!;
    });
    const { buildid } = build as { buildid: number };
    await cluster.call(`/builds/${buildid}`, 'stop', { reason: 'seen enough' });
    expect(await finished(requestId)).toBe(Result.CANCELLED);
    const [stopped] = await api.attempts(requestId);
    expect(stopped!.state_string).toContain('seen enough');
    expect((await api.steps(buildid)).at(-1)).toMatchObject({ name: 'after', results: Result.SUCCESS });

    const once = await run('true');
    const [green] = await api.attempts(once.requestId);
    const [, ids] = await cluster.call<[number, Record<string, number>]>(`/builds/${green!.buildid}`, 'rebuild');
    expect(await finished(Object.values(ids)[0]!)).toBe(Result.SUCCESS);
  });

  it('forces a build as Buildbot’s scripts do', async () => {
    const builderid = await api.builderId('true');
    const [, ids] = await cluster.call<[number, Record<string, number>]>('/forceschedulers/force', 'force', {
      builderid: String(builderid),
      reason: 'because',
    });
    expect(await finished(ids[String(builderid)]!)).toBe(Result.SUCCESS);
  });

  it('forces a build of a patch from a shell', async () => {
    const patch = join(stack.folder, 'mend.diff');
    writeFileSync(patch, '--- a/source.txt\n+++ b/source.txt\n@@ -1 +1 @@\n-bad\n+good again\n');
    const args = ['force', 'check', '--url', cluster.url, '--branch', 'failing', '--patch'];
    const { status, stdout, stderr } = await millraceSoon([...args, patch, '--patch-author', 'Ada', '--wait']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const requestId = Number(/buildrequests\/(\d+)/.exec(stdout)?.[1]);
    const [build] = await api.attempts(requestId);
    expect(build).toMatchObject({ complete: true, results: Result.SUCCESS });
    expect(await api.log(build!.buildid, 'build')).toContain('good again');
    expect(await millraceSoon([...args, join(stack.folder, 'none')])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^millrace: the patch '.*none' cannot be read/),
    });
  }, 120_000);

  it('does not let a step that burns CPU slow down pages and other builds', async () => {
    await run('true');
    const hold = join(stack.folder, 'burn.hold');
    writeFileSync(hold, '');
    const { requests } = await cluster.trigger({ scheduler: 'trigger', builders: ['burn'], properties: { hold } });
    const requestId = requests[0]!.id;
    await eventually(async () => {
      const [build] = await api.attempts(requestId);
      return (await api.steps(build!.buildid)).some((step) => step.name === 'burn');
    });
    const other = await run('true');
    expect(other.results).toBe(Result.SUCCESS);
    expect((await api.request(requestId)).complete).toBe(false);
    rmSync(hold);
    expect(await finished(requestId, 60_000)).toBe(Result.SUCCESS);
  }, 90_000);

  it.each([
    ['exit', /exit/],
    ['memory', /memory/],
  ])(
    'ends only the build whose step does %s, and says why',
    async (builder, reason) => {
      const beside = await cluster.trigger({ scheduler: 'trigger', builders: ['slow'] });
      const { requestId, results } = await run(builder);
      expect(results).toBe(Result.EXCEPTION);
      expect((await api.attempts(requestId)).at(-1)!.state_string).toMatch(reason);
      const besideId = beside.requests[0]!.id;
      expect(await api.request(besideId)).toMatchObject({ complete: false });
      expect(await api.attempts(besideId)).toHaveLength(1);
      await cluster.call(`/buildrequests/${besideId}`, 'cancel', {});
      expect(await finished(besideId)).toBe(Result.CANCELLED);
    },
    90_000,
  );

  it('accepts a line of 20 MB and shows it', async () => {
    const { requestId, results } = await run('long-line', { bytes: 20_000_000 });
    expect(results).toBe(Result.SUCCESS);
    const [build] = await api.attempts(requestId);
    const lines = await api.log(build!.buildid, 'line');
    const longest = lines.filter((line) => /^x+$/.test(line));
    expect(longest.reduce((sum, line) => sum + line.length, 0)).toBe(20_000_000);
  }, 90_000);

  it('reads the configuration again, and refuses a bad one', async () => {
    const database = stack.database ?? `sqlite:${join(stack.folder, 'millrace.sqlite')}`;
    const answer = millrace(['reconfig', '--database', database]);
    expect(answer.stderr + answer.stdout).toMatch(
      /scheduler@.*revision[\s\S]*engine@.*revision|engine@.*revision[\s\S]*scheduler@.*revision/,
    );
    expect(answer.status).toBe(0);
    expect((await run('true')).results).toBe(Result.SUCCESS);
  });

  it('reads the configuration again on SIGHUP, and goes on', async () => {
    const masters = ['scheduler', 'engine', 'ui'] as const;
    const pids = masters.flatMap((role) => cluster.pids(role));
    const mark = cluster.output.length;
    cluster.signalSupervisor('SIGHUP');
    for (const role of ['scheduler', 'engine'])
      await eventually(
        () => cluster.output.slice(mark).some((line) => line.startsWith(role) && line.includes('reconfigured')),
        { what: `a reconfigured ${role}` },
      );
    expect((await run('true')).results).toBe(Result.SUCCESS);
    expect(masters.flatMap((role) => cluster.pids(role))).toEqual(pids);
  });

  it('reports its health', async () => {
    for (const port of ['ui', 'scheduler', 'engine'] as const) {
      const base = `http://127.0.0.1:${cluster.ports[port]}`;
      expect(await (await fetch(`${base}/livez`)).json()).toEqual({ status: 'ok' });
      expect(await (await fetch(`${base}/readyz`)).json()).toMatchObject({ status: 'ok', database: 'ok' });
      expect(await (await fetch(`${base}/metrics`)).text()).toContain('millrace_bus_connected 1');
    }
  });

  it('leaves Ctrl-C, which reaches all processes in a terminal, to the supervisor', async () => {
    const processes = ['router', 'scheduler', 'engine', 'runner', 'ui', 'worker'] as const;
    const pids = processes.flatMap((process) => cluster.pids(process));
    for (const pid of pids) process.kill(pid, 'SIGINT');
    expect((await run('true')).results).toBe(Result.SUCCESS);
    expect(processes.flatMap((process) => cluster.pids(process))).toEqual(pids);
  });

  it('stops by itself on Ctrl-C with nothing left behind, and keeps all data', async () => {
    const before = await api.builds();
    const pids = (['scheduler', 'engine', 'runner', 'ui', 'worker'] as const).flatMap((process) =>
      cluster.pids(process),
    );
    expect(pids.length).toBeGreaterThanOrEqual(5);
    expect(await cluster.stop()).toBe(0);
    await eventually(() => pids.every((pid) => !isRunning(pid)), { what: 'the end of every process' });
    await start();
    const after = await api.builds();
    expect(after.filter((build) => build.buildid <= before[0]!.buildid).map((build) => build.uuid)).toEqual(
      before.map((build) => build.uuid),
    );
    expect((await run('true')).results).toBe(Result.SUCCESS);
  }, 90_000);
});

/** Whether a process runs. A zombie that nobody has waited for yet does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
