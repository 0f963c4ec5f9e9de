import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, eventually, type Extra, type FakeCommandContext, FakeWorker } from '@millrace/testing';
import { availableStacks, FIXTURES, millrace, type Stack, startStack } from './stacks.js';

const PASSWORD = 'fleet-password';
const CONFIG = join(FIXTURES, 'fleet.config.ts');

interface WorkerRow {
  readonly workerid: number;
  readonly connected_to: readonly { readonly masterid: number }[];
  readonly connected_since: number | null;
  readonly graceful: boolean;
  readonly missing_since: number | null;
  readonly paused: boolean;
  readonly pause_reason: string | null;
  readonly protocol: string | null;
  readonly address: string | null;
  readonly version: string | null;
  readonly quarantined_until: number | null;
  readonly quarantine_reason: string | null;
}
interface BuildRow {
  readonly buildid: number;
  readonly complete: boolean;
  readonly results: number | null;
  readonly workerid: number;
}

/** Two engines, and workers that the test simulates. */
class Fleet {
  readonly workers: FakeWorker[] = [];

  private constructor(
    readonly stack: Stack,
    readonly cluster: Cluster,
    readonly other: Extra,
  ) {}

  static async start(stack: Stack, env: Record<string, string>): Promise<Fleet> {
    const settings = { MILLRACE_WORKER_PASSWORD: PASSWORD, ...env };
    const cluster = await stack.start(CONFIG, settings, ['--no-worker']);
    const other = await cluster.add('engine', 'engine-b');
    await eventually(async () => (await fetch(`http://127.0.0.1:${other.httpPort}/readyz`)).ok, { timeoutMs: 30_000 });
    return new Fleet(stack, cluster, other);
  }

  get port(): number {
    return this.cluster.ports.workers;
  }

  /** Connects a worker, waiting for an engine that was killed to come back. */
  async connect(name: string, port: number | null, options: Connecting = {}): Promise<FakeWorker> {
    return eventually(() => this.tryToConnect(name, port, options), {
      ...within(`the connection of ${name}`),
      // With a shorter interval a new token would look like guessing.
      intervalMs: 300,
    });
  }

  async tryToConnect(name: string, port: number | null, options: Connecting = {}): Promise<FakeWorker> {
    const { password = PASSWORD, info = {}, shell } = options;
    const worker = await FakeWorker.connect({
      url: `ws://127.0.0.1:${port}`,
      name,
      password,
      info,
      ...(shell ? { commands: { shell } } : {}),
    });
    this.workers.push(worker);
    return worker;
  }

  async row(name: string): Promise<WorkerRow> {
    return (await this.cluster.api<{ workers: WorkerRow[] }>(`/workers/${name}`)).workers[0]!;
  }

  async isConnected(name: string): Promise<boolean> {
    return (await this.row(name)).connected_to.length > 0;
  }

  trigger(...builders: string[]): Promise<unknown> {
    return this.cluster.trigger({ scheduler: 'trigger', builders });
  }

  async builds(name: string): Promise<BuildRow[]> {
    const { workerid } = await this.row(name);
    return (await this.cluster.api<{ builds: BuildRow[] }>(`/builds?workerid=${workerid}&order=-buildid&limit=20`))
      .builds;
  }

  call(name: string, method: string, reason?: string): Promise<unknown> {
    return this.cluster.call(`/workers/${name}`, method, reason === undefined ? {} : { reason });
  }

  count(text: string): number {
    return this.cluster.output.filter((line) => line.includes(text)).length;
  }

  async disconnectAll(): Promise<void> {
    await Promise.all(this.workers.splice(0).map((worker) => worker.terminate()));
  }

  async stop(): Promise<void> {
    await this.disconnectAll();
    await this.cluster.stop();
    await this.stack.stop();
  }
}

interface Connecting {
  readonly password?: string;
  readonly info?: Record<string, unknown>;
  readonly shell?: Shell;
}
type Shell = (args: Readonly<Record<string, unknown>>, context: FakeCommandContext) => Promise<void>;

/** A command that runs until it is told to end. */
class Gate {
  running = 0;
  most = 0;
  private open = false;
  private readonly waiting = new Set<() => void>();

  readonly shell: Shell = async (_args, context) => {
    this.most = Math.max(this.most, ++this.running);
    if (!this.open)
      await Promise.race([new Promise<void>((done) => this.waiting.add(done)), context.untilInterrupted()]);
    this.running--;
  };

  release(): void {
    this.open = true;
    for (const done of this.waiting) done();
  }
}

const within = (what: string, timeoutMs = 20_000) => ({ what, timeoutMs });

/** With a bus nothing may wait for a poll. Without one there are only polls. */
describe.each([
  ['told by the bus', {}, '30000'],
  ['found by polling', { MILLRACE_BUS: 'none:' }, '300'],
])('a worker that moves to another engine, %s', (_how, bus, pollMs) => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start(await startStack('embedded'), { ...bus, MILLRACE_POLL_MS: pollMs });
  }, 90_000);
  afterAll(() => fleet.stop());

  it('is released by the first engine when it connects to another', async () => {
    const first = await fleet.connect('one', fleet.port);
    await eventually(() => fleet.isConnected('one'), within('the first session'));
    await fleet.connect('one', fleet.other.workerPort);
    const closed = await Promise.race([first.closed.then(() => true), wait(8000)]);
    expect(closed).toBe(true);
    await eventually(() => fleet.isConnected('one'), within('the second session'));
  }, 60_000);

  it('never has more builds than maxBuilds', async () => {
    const gates = [new Gate(), new Gate()];
    await fleet.connect('pair', fleet.port, { shell: gates[0]!.shell });
    await eventually(() => fleet.isConnected('pair'), within('the first session'));
    await fleet.trigger('pair-1', 'pair-2', 'pair-3', 'pair-4');
    await eventually(() => gates[0]!.running === 2, within('two builds'));
    await fleet.connect('pair', fleet.other.workerPort, { shell: gates[1]!.shell });
    let most = 0;
    await eventually(async () => {
      most = Math.max(most, (await fleet.builds('pair')).filter((build) => !build.complete).length);
      return gates[1]!.running === 2;
    }, within('two builds on the other engine'));
    gates[1]!.release();
    await eventually(async () => {
      const builds = await fleet.builds('pair');
      most = Math.max(most, builds.filter((build) => !build.complete).length);
      return builds.filter((build) => build.results === 0).length === 4;
    }, within('the end of all builds'));
    expect(most).toBe(2);
    expect(gates.map((gate) => gate.most)).toEqual([2, 2]);
  }, 60_000);
});

function wait(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms).unref());
}

describe.each(availableStacks().filter((name) => name !== 'MariaDB + NATS'))('a fleet on two engines, %s', (name) => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start(await startStack(name), { MILLRACE_POLL_MS: '500' });
  }, 120_000);
  afterEach(() => fleet.disconnectAll());
  afterAll(() => fleet.stop());

  const cli = (...args: string[]) =>
    millrace(['worker', ...args], {
      MILLRACE_DB: fleet.stack.database ?? `sqlite:${join(fleet.stack.folder, 'millrace.sqlite')}`,
      MILLRACE_WORKER_URL: 'ws://engines.example:9989',
    });
  const token = (output: string): string => /mrw_[\w-]+/.exec(output)![0];

  it('raises one alarm for a worker that does not come, and another when it is missing again later', async () => {
    await eventually(async () => (await fleet.row('absent')).missing_since !== null, within('the alarm'));
    await fleet.connect('absent', fleet.port);
    await eventually(async () => (await fleet.row('absent')).missing_since === null, within('its return'));
    expect(fleet.count('worker-missing')).toBe(1);
    expect((await fleet.row('one')).missing_since).toBeNull();
    await fleet.disconnectAll();
    await eventually(async () => (await fleet.row('absent')).missing_since !== null, within('the second alarm'));
    await eventually(() => fleet.count('worker-missing') === 2, within('its log line'));
  }, 60_000);

  it('shows where a worker is connected and what it is', async () => {
    await fleet.connect('one', fleet.port);
    await eventually(() => fleet.isConnected('one'), within('the session'));
    expect(await fleet.row('one')).toMatchObject({
      protocol: 'msgpack',
      address: expect.stringContaining('127.0.0.1'),
      version: 'fake',
      connected_since: expect.any(Number),
    });
  });

  it('keeps a worker paused over the death of an engine, on every engine', async () => {
    await fleet.connect('one', fleet.port);
    await eventually(() => fleet.isConnected('one'), within('the session'));
    await fleet.call('one', 'pause', 'repair');
    fleet.cluster.signal('engine', 'SIGKILL');
    const worker = await fleet.connect('one', fleet.other.workerPort);
    await fleet.trigger('one');
    await fleet.trigger('pair-1');
    await fleet.connect('pair', fleet.other.workerPort);
    await eventually(async () => (await fleet.builds('pair'))[0]?.results === 0, within('what is not paused to build'));
    expect(worker.started).toEqual([]);
    expect(await fleet.row('one')).toMatchObject({ paused: true, pause_reason: 'repair' });
    await fleet.call('one', 'unpause');
    await eventually(async () => (await fleet.builds('one'))[0]?.results === 0, within('the build'));
  }, 60_000);

  it('shuts a worker down when it is idle, even if its engine dies before that', async () => {
    const gate = new Gate();
    await fleet.connect('one', fleet.port, { shell: gate.shell });
    await fleet.trigger('one');
    await eventually(() => gate.running === 1, within('the build'));
    await fleet.call('one', 'stop', 'old machine');
    fleet.cluster.signal('engine', 'SIGKILL');
    const again = await fleet.connect('one', fleet.other.workerPort);
    expect(await Promise.race([again.closed.then(() => true), wait(15_000)])).toBe(true);
    await eventually(async () => !(await fleet.row('one')).graceful, within('the wish to be done with'));
    // When the worker connects again it builds what its engine left behind.
    await fleet.connect('one', fleet.other.workerPort);
    await eventually(async () => (await fleet.builds('one'))[0]?.results === 0, within('the build', 30_000));
  }, 90_000);

  it('kills a worker, and builds again what it was building', async () => {
    const gate = new Gate();
    const worker = await fleet.connect('one', fleet.port, { shell: gate.shell });
    await fleet.trigger('one');
    await eventually(() => gate.running === 1, within('the build'));
    await fleet.call('one', 'kill', 'enough');
    expect(await Promise.race([worker.closed.then(() => true), wait(10_000)])).toBe(true);
    await fleet.connect('one', fleet.port);
    await eventually(async () => {
      const [second, first] = await fleet.builds('one');
      return second!.results === 0 && first!.results === 5;
    }, within('the second attempt'));
  }, 60_000);

  it('puts a worker that cannot be attached into quarantine, until somebody ends it', async () => {
    const broken = await fleet.connect('broken', fleet.port, { info: { basedir: '' } });
    await broken.closed;
    await eventually(async () => (await fleet.row('broken')).quarantined_until !== null, within('the quarantine'));
    expect((await fleet.row('broken')).quarantine_reason).toBe('attaching failed: it has no base directory');
    await fleet.call('broken', 'unpause');
    expect(await fleet.row('broken')).toMatchObject({ quarantined_until: null, quarantine_reason: null });
  }, 60_000);

  it('accepts workers that were created for a template, with its settings, until they are revoked', async () => {
    const created = cli('create', 'linux-7');
    expect(created).toMatchObject({ status: 0, stderr: '' });
    expect(created.stdout.split(token(created.stdout))).toHaveLength(2);
    expect(created.stdout).toContain(
      'npx millrace-worker --master ws://engines.example:9989 --name linux-7 --basedir ./linux-7 --token-file linux-7.token',
    );
    expect(created.stdout).toContain("template 'linux-*'");
    const environments: unknown[] = [];
    const shell: Shell = async (args) => void environments.push(args['env']);
    const connect = (port: number | null, password: string) => fleet.connect('linux-7', port, { password, shell });
    const refused = (port: number | null, password: string) =>
      eventually(
        () => expect(fleet.tryToConnect('linux-7', port, { password })).rejects.toThrow('Unexpected server response'),
        within('the refusal'),
      );
    await connect(fleet.port, token(created.stdout));
    await fleet.trigger('linux');
    await eventually(async () => (await fleet.builds('linux-7'))[0]?.results === 0, within('the build'));
    expect(environments).toEqual([{ PLACE: 'builder', TOOLS: '/opt/tools', DEBUG: null }]);
    const rotated = token(cli('create', 'linux-7').stdout);
    await fleet.disconnectAll();
    await connect(fleet.other.workerPort, token(created.stdout));
    await fleet.disconnectAll();
    const last = await connect(fleet.other.workerPort, rotated);
    expect(cli('list').stdout).toMatch(/linux-7 .* 2\n/);
    expect(cli('revoke', 'linux-7')).toMatchObject({ status: 0, stdout: "2 tokens of worker 'linux-7' revoked.\n" });
    expect(await Promise.race([last.closed.then(() => true), wait(10_000)])).toBe(true);
    await refused(fleet.port, rotated);
    await refused(fleet.other.workerPort, rotated);
  }, 60_000);

  it('accepts a configured worker without a password with a token only', async () => {
    for (const password of ['', PASSWORD]) {
      await expect(fleet.tryToConnect('tokens-only', fleet.port, { password })).rejects.toThrow(
        'Unexpected server response',
      );
    }
    const old = token(cli('create', 'tokens-only').stdout);
    await fleet.connect('tokens-only', fleet.port, { password: old });
    const replaced = token(cli('create', 'tokens-only', '--revoke-old').stdout);
    await eventually(() => fleet.workers[0]!.closed, within('the end of the old session'));
    await fleet.connect('tokens-only', fleet.port, { password: replaced });
    await expect(fleet.tryToConnect('tokens-only', fleet.port, { password: old })).rejects.toThrow(
      'Unexpected server response',
    );
  }, 60_000);

  it('can be managed from the command line', async () => {
    expect(cli('pause', 'pair', '--reason', 'from afar').status).toBe(0);
    expect(await fleet.row('pair')).toMatchObject({ paused: true, pause_reason: 'from afar' });
    expect(cli('list').stdout).toContain('not connected, paused (from afar)');
    expect(cli('unpause', 'pair').status).toBe(0);
    expect(await fleet.row('pair')).toMatchObject({ paused: false });
    expect(cli('create', 'solaris-1').stdout).toContain("'solaris-*'");
    expect(cli('pause', 'nobody')).toMatchObject({ status: 1, stderr: "millrace: there is no worker 'nobody'\n" });
    expect(cli('create', 'a:b')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is no name of a worker'),
    });
  });
});
