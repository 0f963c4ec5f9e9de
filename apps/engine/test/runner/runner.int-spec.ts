import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { loadAndCompile } from '@millrace/config';
import { FencedError, Result } from '@millrace/domain';
import { requireOfMachine } from '@millrace/testing';
import { type BuildOutcome, RunnerPool, type RunnerPoolOptions, type RunningBuild } from '../../dist/runner/runner.js';
import type { LocksResult } from '../../src/runner/runner.js';
import { FakeBuildServices, jobFor } from './fake-build-services.js';

const CONFIG = `
import { builder, customStep, defineConfig, interpolate, lock, resources, worker } from '@millrace/config';
import { Result, setProperty, shell } from '@millrace/steps';

const spin = (ms: number) => { const end = Date.now() + ms; while (Date.now() < end); };
const custom = (name: string, run: (step: any) => any, options = {}) => customStep(name, async (step) => (await run(step)) ?? 0, options);
const factories: Record<string, any[]> = {
  trivial: [shell({ command: 'true' })],
  burn: [custom('burn', () => spin(3_000))],
  burn_for_ever: [custom('burn', () => { for (;;); }), custom('after', () => 0, { alwaysRun: true })],
  exits: [shell({ command: 'true' }), custom('quit', () => process.exit(3))],
  out_of_band: [custom('throw', () => new Promise(() => setTimeout(() => { throw new Error('out of the blue'); }, 1)))],
  memory: [custom('hoard', () => { const hoard: string[][] = []; for (;;) hoard.push(Array.from({ length: 100_000 }, (_, i) => 'x' + i)); })],
  buffers: [custom('fill', async () => { const hoard = []; for (;;) { hoard.push(Buffer.alloc(4e6, 1)); await new Promise((done) => setTimeout(done, 5)); } })],
  buffers_at_once: [custom('flood', () => { const hoard = []; for (;;) hoard.push(Buffer.alloc(4e6, 1)); })],
  throws: [custom('broken', () => { throw new Error('bad luck'); }, { haltOnFailure: true }), custom('never', () => 0)],
  returns_nonsense: [customStep('odd', async () => 'fine' as any)],
  waits: [custom('wait', () => new Promise(() => {}))],
  ignores_stop: [custom('wait', () => new Promise(() => {})), custom('clean', (step: any) => step.log('notes').append('cleaned'), { alwaysRun: true })],
  sleeps: [shell({ command: 'sleep 600' }), shell({ name: 'never', command: 'true' }), shell({ name: 'tidy', command: 'echo tidy', alwaysRun: true })],
  flags: [
    shell({ name: 'ok', command: 'true', hideStepIf: (result) => result === Result.SUCCESS }),
    shell({ name: 'skipped', command: 'true', doStepIf: false }),
    shell({ name: 'asked', command: 'true', doStepIf: (step) => step.properties.get('greeting') === 'nothing', hideStepIf: true }),
    shell({ name: 'lenient', command: 'false', flunkOnFailure: false }),
    shell({ name: 'warns', command: 'exit 3', decodeRC: { 0: Result.SUCCESS, 3: Result.WARNINGS }, warnOnWarnings: true }),
    shell({ name: 'fails', command: 'false', haltOnFailure: true }),
    shell({ name: 'never', command: 'true' }),
    shell({ name: 'always', command: 'true', alwaysRun: true }),
  ],
  properties: [
    setProperty({ property: 'who', command: 'echo world' }),
    setProperty({ property: 'both', value: interpolate('%(prop:greeting)s %(prop:who)s 100%%') }),
    shell({ command: ['echo', '%(prop:greeting)s', (build) => String(build.properties.get('who')), '100%%'], env: { A: '%(prop:missing:-none)s' } }),
    shell({ command: 'echo "$A-$B"', env: { A: 'step' } }),
  ],
  locks: [
    shell({ name: 'locked', command: 'echo %(prop:board)s', locks: [lock('db').access('exclusive'), resources('boards', ['x']).take(1, { property: 'board' })] }),
    shell({ name: 'skipped', command: 'true', doStepIf: false, locks: [lock('db').access('exclusive')] }),
  ],
  rendered_locks: [
    shell({ name: 'rendered', command: 'true', locks: async ({ properties }) => [lock(properties.get('greeting') as string).access('exclusive')] }),
    shell({ name: 'none', command: 'true', locks: () => [] }),
    shell({ name: 'broken', command: 'true', locks: () => { throw new Error('no idea'); } }),
  ],
  bad_locks: [shell({ name: 'bad', command: 'true', locks: () => [lock('db')] as any })],
  log: [custom('talk', (step: any) => { for (let i = 0; i < 1000; i++) step.log('notes').append(i + ','); step.addUrl('docs', 'http://x'); step.setState('talked'); })],
};
const conditions: Record<string, any> = {
  unwanted: false,
  unwanted_by_property: ({ properties }: any) => properties.get('greeting') === 'nothing',
  wanted: async ({ sourceStamps }: any) => Array.isArray(sourceStamps),
  undecided: () => new Promise(() => {}),
  broken: () => { throw new Error('bad luck'); },
};
export default defineConfig({
  workers: [worker('w', { password: 'x' })],
  builders: [
    ...Object.entries(factories).map(([name, factory]) => builder(name, { workers: ['w'], factory, env: { A: 'builder', B: '%(prop:greeting)s' } })),
    ...Object.entries(conditions).map(([name, doBuildIf]) => builder(name, { workers: ['w'], factory: [shell({ command: 'true' })], doBuildIf })),
  ],
});
`;

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
let folder: string;
let config: { configFile: string; fingerprint: string };
const pools: RunnerPool[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-runner-'));
  const configFile = join(folder, 'master.config.ts');
  await writeFile(configFile, CONFIG);
  config = { configFile, fingerprint: (await loadAndCompile(configFile)).fingerprint };
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function startPool(options: Partial<RunnerPoolOptions> = {}): Promise<RunnerPool> {
  const pool = new RunnerPool({ ...config, log: quiet, ...options });
  pools.push(pool);
  await pool.start();
  return pool;
}

function start(
  pool: RunnerPool,
  builderName: string,
  host = new FakeBuildServices(),
): RunningBuild & { host: FakeBuildServices } {
  return { ...pool.run(jobFor(builderName, config, folder), host), host };
}

async function eventually(check: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const SUCCESS: BuildOutcome = { kind: 'finished', results: Result.SUCCESS, stateString: 'build successful' };

async function expectWorking(pool: RunnerPool): Promise<void> {
  expect(await start(pool, 'trivial').outcome).toEqual(SUCCESS);
}

describe('steps', () => {
  it('follow flags and conditions', async () => {
    const pool = await startPool();
    const { outcome, host } = start(pool, 'flags');
    expect(await outcome).toEqual({
      kind: 'finished',
      results: Result.FAILURE,
      stateString: "failed 'false' (failure); 'false' (failure)",
    });
    expect(host.steps).toEqual([
      { name: 'ok', results: Result.SUCCESS, stateString: "'true'", hidden: true },
      { name: 'skipped', results: Result.SKIPPED, stateString: 'skipped', hidden: false },
      { name: 'asked', results: Result.SKIPPED, stateString: 'skipped', hidden: true },
      { name: 'lenient', results: Result.FAILURE, stateString: "'false' (failure)", hidden: false },
      { name: 'warns', results: Result.WARNINGS, stateString: "'exit 3' (warnings)", hidden: false },
      { name: 'fails', results: Result.FAILURE, stateString: "'false' (failure)", hidden: false },
      { name: 'always', results: Result.SUCCESS, stateString: "'true'", hidden: false },
    ]);
    expect(host.events.slice(0, 3)).toEqual(['start ok', 'command shell', 'finish ok']);
  });

  it('take their locks before they run, and know which resources they have', async () => {
    const host = new FakeBuildServices();
    host.locks = () => Promise.resolve({ kind: 'taken', properties: { board: ['x', 'Lock'] } });
    const { outcome } = start(await startPool(), 'locks', host);
    expect(await outcome).toEqual(SUCCESS);
    expect(host.events).toEqual([
      'start locked',
      'locks db exclusive 1, boards counting 1',
      'command shell',
      'finish locked',
      'start skipped',
      'finish skipped',
    ]);
    expect(host.log('locked')).toContain('x\n');
    expect(host.properties['board']).toEqual(['x', 'Lock']);
  });

  it('take the locks that a callback returns', async () => {
    const host = new FakeBuildServices();
    host.locks = () => Promise.resolve({ kind: 'taken', properties: {} });
    const { outcome } = start(await startPool(), 'rendered_locks', host);
    expect(await outcome).toMatchObject({ results: Result.EXCEPTION });
    expect(host.events).toEqual([
      ...['start rendered', 'locks hello exclusive 1', 'command shell', 'finish rendered'],
      ...['start none', 'command shell', 'finish none'],
      ...['start broken', 'finish broken'],
    ]);
    expect(host.steps[2]).toMatchObject({
      results: Result.EXCEPTION,
      stateString: 'locks failed: no idea (exception)',
    });
    expect(host.log('broken', 'err.text')).toContain('no idea');
  });

  it('are an exception when a callback returns something else than locks', async () => {
    const { outcome, host } = start(await startPool(), 'bad_locks');
    expect(await outcome).toMatchObject({ results: Result.EXCEPTION });
    expect(host.steps[0]!.stateString).toMatch(
      /^locks failed: the callback locks returned something else at \[0\]: expected an entry/,
    );
    expect(host.requests).toEqual([]);
  });

  it('are an exception in a deadlock', async () => {
    const host = new FakeBuildServices();
    host.locks = () => Promise.resolve({ kind: 'deadlock', text: 'deadlock: a waits for b' });
    const { outcome } = start(await startPool(), 'locks', host);
    expect(await outcome).toMatchObject({ results: Result.EXCEPTION });
    expect(host.steps[0]).toMatchObject({
      results: Result.EXCEPTION,
      stateString: 'deadlock: a waits for b (exception)',
    });
    expect(host.requests).toEqual([]);
  });

  it('are stopped while they wait for locks', async () => {
    const host = new FakeBuildServices();
    let stopped: (result: LocksResult) => void = () => undefined;
    host.locks = () => new Promise((resolve) => (stopped = resolve));
    const interrupt = host.interrupt.bind(host);
    host.interrupt = async (step, why) => {
      await interrupt(step, why);
      stopped({ kind: 'stopped' });
    };
    const { outcome, stop } = start(await startPool(), 'locks', host);
    await eventually(() => host.events.length === 2, 'it waits');
    stop('enough');
    expect(await outcome).toMatchObject({ results: Result.CANCELLED });
    expect(host.requests).toEqual([]);
  });

  it('render properties, templates and callbacks, and their properties are stored', async () => {
    const { outcome, host } = start(await startPool(), 'properties');
    expect(await outcome).toEqual(SUCCESS);
    expect(host.properties).toEqual({
      who: ['world', 'set-property'],
      both: ['hello world 100%', 'set-property_1'],
    });
    expect(host.requests.at(-2)!.args).toMatchObject({
      command: ['echo', 'hello', 'world', '100%%'],
      env: { A: 'none', B: 'hello' },
      workdir: join(folder, 'properties/build'),
      timeout: 1200,
    });
    expect(host.log('shell_1')).toContain('step-hello');
  });

  it('end with a result when they throw, with the stack in a log', async () => {
    const { outcome, host } = start(await startPool(), 'throws');
    expect(await outcome).toEqual({
      kind: 'finished',
      results: Result.EXCEPTION,
      stateString: 'exception finished (exception)',
    });
    expect(host.log('broken', 'err.text')).toMatch(/Error: bad luck\n +at .*master\.config\.ts:\d+/);
    expect(host.steps).toHaveLength(1);
  });

  it('report what is wrong with a step that returns no result', async () => {
    const { outcome, host } = start(await startPool(), 'returns_nonsense');
    expect(await outcome).toMatchObject({ results: Result.EXCEPTION });
    expect(host.log('odd', 'err.text')).toContain('a step has to return a result (such as Result.SUCCESS), not fine');
  });

  it('keep every line that they log, in few calls, and their links', async () => {
    const { outcome, host } = start(await startPool(), 'log');
    expect(await outcome).toEqual(SUCCESS);
    expect(host.log('talk', 'notes')).toBe(Array.from({ length: 1000 }, (_, index) => `${index},`).join(''));
    expect(host.states).toContainEqual({ urls: [{ name: 'docs', url: 'http://x' }] });
    expect(host.steps[0]!.stateString).toBe('talked');
  });

  it('end with RETRY, without alwaysRun steps, when the worker is lost', async () => {
    const host = new FakeBuildServices();
    host.intercept = () => ({ rc: null, failure: 'lost', failureReason: null, cancelled: false, workerLost: true });
    const { outcome } = start(await startPool(), 'sleeps', host);
    expect(await outcome).toMatchObject({ kind: 'finished', results: Result.RETRY });
    expect(host.steps.map(({ name, results }) => [name, results])).toEqual([['shell', Result.RETRY]]);
  });

  it('end at once when the build is no longer ours', async () => {
    const host = new FakeBuildServices();
    host.intercept = () => Promise.reject(new FencedError('build 1'));
    const pool = await startPool();
    expect(await start(pool, 'sleeps', host).outcome).toEqual({
      kind: 'died',
      fault: 'runner',
      reason: 'no longer the owner of build 1',
      step: 'shell',
    });
    expect(host.steps).toHaveLength(1);
    await expectWorking(pool);
  });
});

describe('doBuildIf', () => {
  const skipped = { kind: 'finished', results: Result.SKIPPED, stateString: 'skipped by doBuildIf' };
  it.each<[string, BuildOutcome, number]>([
    ['unwanted', skipped as BuildOutcome, 0],
    ['unwanted_by_property', skipped as BuildOutcome, 0],
    ['wanted', SUCCESS, 1],
    ['broken', { kind: 'finished', results: Result.EXCEPTION, stateString: 'exception doBuildIf failed: bad luck' }, 0],
  ])('decides before the first step: %s', async (builder, expected, steps) => {
    const { outcome, host } = start(await startPool(), builder);
    expect(await outcome).toEqual(expected);
    expect(host.steps).toHaveLength(steps);
  });

  it('does not keep a stopped build from ending', async () => {
    const { outcome, stop } = start(await startPool(), 'undecided');
    stop('enough');
    expect(await outcome).toMatchObject({ results: Result.CANCELLED });
  });
});

describe('stopping', () => {
  it('interrupts the command, runs alwaysRun steps and ends CANCELLED', async () => {
    const { outcome, host, stop } = start(await startPool(), 'sleeps');
    await eventually(() => host.requests.length > 0, 'the command runs');
    stop('enough');
    expect(await outcome).toEqual({
      kind: 'finished',
      results: Result.CANCELLED,
      stateString: "cancelled 'sleep 600' (cancelled)",
    });
    expect(host.events).toContain('interrupt 0: enough');
    expect(host.steps.map(({ name, results }) => [name, results])).toEqual([
      ['shell', Result.CANCELLED],
      ['tidy', Result.SUCCESS],
    ]);
    expect(host.log('tidy')).toContain('tidy');
  });

  it('abandons a step that ignores its signal', async () => {
    const { outcome, host, stop } = start(await startPool(), 'ignores_stop');
    await eventually(() => host.steps.length > 0, 'the step runs');
    stop('enough');
    expect(await outcome).toMatchObject({ results: Result.CANCELLED });
    expect(host.log('clean', 'notes')).toBe('cleaned');
  }, 20_000);

  it('ends the thread of a step that burns CPU', async () => {
    const pool = await startPool({ stopGraceMs: 1_000 });
    const { outcome, host, stop } = start(pool, 'burn_for_ever');
    await eventually(() => host.steps.length > 0, 'the step runs');
    stop('enough');
    expect(await outcome).toEqual({ kind: 'finished', results: Result.CANCELLED, stateString: "cancelled 'burn'" });
    expect(host.steps).toEqual([
      { name: 'burn', results: Result.CANCELLED, stateString: 'finished (cancelled)', hidden: false },
    ]);
    await expectWorking(pool);
  });
});

describe('damage to a runner', () => {
  it('leaves other builds quick while a step burns CPU, and the step is reported', async () => {
    const stalls: { buildId: number; step: string | null; ms: number }[] = [];
    const pool = await startPool({ onStall: (stall) => stalls.push(stall) });
    await expectWorking(pool);
    let ended = false;
    const burning = start(pool, 'burn');
    void burning.outcome.then(() => (ended = true));
    await eventually(() => burning.host.steps.length > 0, 'the step runs');
    for (let i = 0; i < 10; i++) await expectWorking(pool);
    expect(ended).toBe(false);
    expect(await burning.outcome).toEqual(SUCCESS);
    expect(stalls[0]).toMatchObject({ step: 'burn' });
    expect(stalls[0]!.ms).toBeGreaterThan(1_000);
  });

  (requireOfMachine(process.platform === 'linux', 'Linux') ? it : it.skip)(
    'lets everything go before a step that burns CPU',
    async () => {
      const pool = await startPool();
      await expectWorking(pool);
      const niceness = (): number[] =>
        readdirSync(`/proc/${pool.pid}/task`).map((id) => {
          try {
            const stat = readFileSync(`/proc/${pool.pid}/task/${id}/stat`, 'utf8');
            // The 19th field. The second one, in brackets, may contain anything.
            return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
          } catch {
            // The thread has ended since they were listed.
            return 0;
          }
        });
      const { outcome } = start(pool, 'burn');
      await eventually(() => niceness().includes(19), 'the burning thread gives way');
      expect(await outcome).toEqual(SUCCESS);
      await eventually(() => !niceness().includes(19), 'the thread has ended with its build');
      await expectWorking(pool);
    },
  );

  it.each([
    ['calls process.exit', 'exits', 'quit', "step 'quit' called process.exit(3)"],
    ['throws out of band', 'out_of_band', 'throw', "step 'throw' threw out of band: out of the blue"],
    ['exhausts the heap', 'memory', 'hoard', "step 'hoard' ran out of memory (the limit is 96 MB)"],
    ['exhausts memory with buffers', 'buffers', 'fill', "step 'fill' holds more memory than the limit of 96 MB"],
    [
      'never yields while it fills buffers',
      'buffers_at_once',
      'flood',
      "step 'flood' holds more memory than the limit of 96 MB",
    ],
  ])(
    'ends only the build whose step %s',
    async (_what, name, step, reason) => {
      const pool = await startPool({ threadMemoryMb: 96 });
      const other = start(pool, 'waits');
      await eventually(() => other.host.steps.length > 0, 'the other build runs');
      let otherEnded = false;
      void other.outcome.then(() => (otherEnded = true));
      expect(await start(pool, name).outcome).toEqual({ kind: 'died', fault: 'step', reason, step });
      await expectWorking(pool);
      expect(otherEnded).toBe(false);
      expect(pool.stats().restarts).toBe(0);
    },
    30_000,
  );

  it('ends the running builds when the process is killed: their commands are interrupted, and a new process gets warm', async () => {
    const pool = await startPool();
    const { outcome, host } = start(pool, 'sleeps');
    await eventually(() => host.requests.length > 0, 'the command runs');
    const { pid } = pool;
    process.kill(pid!, 'SIGKILL');
    expect(await outcome).toEqual({
      kind: 'died',
      fault: 'runner',
      reason: 'the process that runs builds ended (SIGKILL)',
      step: 'shell',
    });
    expect(host.events.at(-1)).toMatch(/^interrupt 0: /);
    await expectWorking(pool); // Requested while there is no process.
    expect(pool.pid).not.toBe(pid);
    expect(pool.stats().restarts).toBe(1);
  });
});

describe('the process', () => {
  it('ends with its engine, however that ends and whatever a step is doing', async () => {
    const script = `
      import { RunnerPool } from ${JSON.stringify(new URL('../../dist/runner/runner.js', import.meta.url).href)};
      const log = { info() {}, warn() {}, error() {} };
      const pool = new RunnerPool({ ...${JSON.stringify(config)}, log });
      await pool.start();
      const step = new Promise((resolve) => {
        const host = { startStep: async () => resolve() };
        pool.run(${JSON.stringify(jobFor('burn_for_ever', config, folder))}, host);
      });
      await step;
      console.log(pool.pid);`;
    const engine = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const runnerPid = await new Promise<number>((resolve, reject) => {
      engine.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
      engine.once('exit', () => reject(new Error('the engine ended by itself')));
    });
    expect(isAlive(runnerPid)).toBe(true);
    engine.kill('SIGKILL');
    await eventually(() => !isAlive(runnerPid), 'the runner has ended');
  });
});

describe('configurations', () => {
  it('are refused when the engine has compiled another one, and when they are broken', async () => {
    await expect(startPool({ fingerprint: 'other' })).rejects.toMatchObject({ code: 'bad-config' });
    const file = join(folder, 'broken.ts');
    await writeFile(file, 'export default {');
    await expect(startPool({ configFile: file })).rejects.toMatchObject({ code: 'bad-config' });
  });

  it('are switched for new builds, and running ones finish under their own', async () => {
    const pool = await startPool();
    const running = start(pool, 'sleeps');
    await eventually(() => running.host.requests.length > 0, 'the command runs');
    const configFile = join(folder, 'next.config.ts');
    await writeFile(configFile, CONFIG.replace(`command: 'true' })],`, `command: 'echo next' })],`));
    const { fingerprint } = await loadAndCompile(configFile);
    await pool.switchTo({ configFile, fingerprint });
    const host = new FakeBuildServices();
    expect(await pool.run(jobFor('trivial', { configFile, fingerprint }, folder), host).outcome).toEqual(SUCCESS);
    expect(host.log('shell')).toContain('next');
    running.stop('enough');
    expect(await running.outcome).toMatchObject({ results: Result.CANCELLED });
    expect(running.host.steps.map(({ name }) => name)).toEqual(['shell', 'tidy']);
    await writeFile(configFile, 'export default 3');
    await expect(pool.switchTo({ configFile, fingerprint: 'unknown' })).rejects.toMatchObject({ code: 'bad-config' });
    expect(
      await pool.run(jobFor('trivial', { configFile, fingerprint }, folder), new FakeBuildServices()).outcome,
    ).toEqual(SUCCESS);
  });

  it('of an earlier claim are run as they were, whatever the file contains now', async () => {
    const configFile = join(folder, 'moving.config.ts');
    await writeFile(configFile, CONFIG);
    const { fingerprint } = await loadAndCompile(configFile);
    const pool = await startPool({ configFile, fingerprint });
    await writeFile(configFile, CONFIG.replace(`command: 'true' })],`, `command: 'echo next' })],`));
    const next = await loadAndCompile(configFile);
    await pool.switchTo({ configFile, fingerprint: next.fingerprint });
    const host = new FakeBuildServices();
    expect(await pool.run(jobFor('trivial', { configFile, fingerprint }, folder), host).outcome).toEqual(SUCCESS);
    expect(host.log('shell')).not.toContain('next');
  });
});

describe('a runner that lives long', () => {
  it('walks 200 trivial builds one after the other without a restart', async () => {
    const pool = await startPool();
    await expectWorking(pool);
    for (let i = 0; i < 200; i++) {
      const host = new FakeBuildServices();
      host.intercept = () => ({ rc: 0, failure: null, failureReason: null, cancelled: false, workerLost: false });
      expect(await start(pool, 'trivial', host).outcome).toEqual(SUCCESS);
    }
    expect(pool.stats().restarts).toBe(0);
  });
});
