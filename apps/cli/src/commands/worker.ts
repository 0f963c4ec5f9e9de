import { createHash, randomBytes } from 'node:crypto';
import { createBus } from '@millrace/bus';
import { type Hint, hints, type WorkerResource } from '@millrace/contracts';
import { CatalogReads, ControlStore, type Database, openDatabase, WorkerTokenStore } from '@millrace/database';
import { isWorkerName, isWorkerTemplate, UserError, workerEntries } from '@millrace/domain';

/** For the bus to carry a hint; without it engines find out by polling. */
const BUS_PATIENCE_MS = 2000;

export interface CreateOptions {
  readonly name: string;
  readonly revokeOld: boolean;
  /** Also for workers that speak PB. */
  readonly pb: boolean;
  /** Where workers connect. */
  readonly master: string;
}

export type WorkerAction = 'pause' | 'unpause' | 'stop' | 'kill';

/** `millrace worker create`: prints a new token, which is stored nowhere, and how to use it. */
export function createWorker(databaseUrl: string, options: CreateOptions): Promise<number> {
  const { name, master } = options;
  if (!isWorkerName(name)) {
    throw new UserError(
      'bad-worker-name',
      `'${name}' is no name of a worker: expected 1 to 50 characters without colons, slashes, spaces and asterisks`,
      { name },
    );
  }
  if (!URL.canParse(master)) {
    throw new UserError(
      'bad-option',
      `--master is '${master}': expected an address like ws://engine-1.example.org:9989`,
    );
  }
  return withDatabase(databaseUrl, async (db) => {
    const token = `mrw_${randomBytes(32).toString('base64url')}`;
    const digest = (algorithm: string): string => createHash(algorithm).update(token, 'utf8').digest('hex');
    await new WorkerTokenStore(db).create({
      workerName: name,
      hash: digest('sha256'),
      pbDigest: options.pb ? digest('md5') : null,
      revokeOld: options.revokeOld,
    });
    await announce(hints.workerTokens());
    const { host } = new URL(master);
    process.stdout.write(
      `The token of worker '${name}', which cannot be shown again:\n\n  ${token}\n\nOn its machine:\n\n` +
        `  npx millrace-worker --master ${master} --name ${name} --basedir ./${name} --token ${token}\n\n` +
        (options.pb
          ? `or a stock worker:\n\n  buildbot-worker create-worker ./${name} ${host} ${name} ${token}\n\n`
          : ''),
    );
    await noteEntry(db, name);
    return 0;
  });
}

/** `millrace worker revoke`: no token of the worker works from then on, and its session ends. */
export function revokeWorker(databaseUrl: string, name: string): Promise<number> {
  return withDatabase(databaseUrl, async (db) => {
    const revoked = await new WorkerTokenStore(db).revoke(name);
    await announce(hints.workerTokens());
    process.stdout.write(`${revoked} ${revoked === 1 ? 'token' : 'tokens'} of worker '${name}' revoked.\n`);
    return 0;
  });
}

/** `millrace worker pause` and the like: changes what is wanted of the worker; whichever engine it is on carries that out. */
export function controlWorker(
  databaseUrl: string,
  action: WorkerAction,
  name: string,
  reason: string | null,
): Promise<number> {
  return withDatabase(databaseUrl, async (db) => {
    const workerId = (await new CatalogReads(db).workers()).find((worker) => worker.name === name)?.workerid;
    if (workerId === undefined) throw new UserError('not-found', `there is no worker '${name}'`, { name });
    const control = new ControlStore(db);
    const actions: Record<WorkerAction, () => Promise<void>> = {
      pause: () => control.pauseWorker(workerId, reason),
      unpause: () => control.unpauseWorker(workerId),
      stop: () => control.stopWorker(workerId, reason),
      kill: () => control.killWorker(workerId, reason),
    };
    await actions[action]();
    await announce(hints.worker(workerId, 'state_updated'));
    return 0;
  });
}

/** `millrace worker list`. */
export function listWorkers(databaseUrl: string): Promise<number> {
  return withDatabase(databaseUrl, async (db) => {
    const catalog = new CatalogReads(db);
    const [workers, masters] = await Promise.all([catalog.workers(), catalog.masters()]);
    const tokens = await new WorkerTokenStore(db).summary();
    const engines = new Map(masters.map((master) => [master.masterid, master.name]));
    const rows = workers.map((worker) => [
      worker.name,
      stateOf(worker),
      worker.connected_to.map(({ masterid }) => engines.get(masterid) ?? String(masterid)).join(', ') || '-',
      worker.last_seen_at === null ? 'never' : new Date(worker.last_seen_at * 1000).toISOString(),
      worker.version || '-',
      worker.address ?? '-',
      String(tokens.get(worker.name)?.tokens ?? 0),
    ]);
    const table = [['WORKER', 'STATE', 'ENGINE', 'LAST SEEN', 'VERSION', 'ADDRESS', 'TOKENS'], ...rows];
    const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
    for (const row of table) {
      process.stdout.write(
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
      );
    }
    return 0;
  });
}

function stateOf(worker: WorkerResource): string {
  const because = (reason: string | null): string => (reason === null ? '' : ` (${reason})`);
  const connected = worker.connected_to.length > 0;
  return [
    connected ? 'connected' : worker.missing_since === null ? 'not connected' : 'missing',
    ...(worker.paused ? [`paused${because(worker.pause_reason)}`] : []),
    ...(worker.graceful ? [`shutting down${because(worker.shutdown_reason)}`] : []),
    ...(worker.quarantined_until === null ? [] : [`in quarantine${because(worker.quarantine_reason)}`]),
  ].join(', ');
}

async function noteEntry(db: Database, name: string): Promise<void> {
  const entries = (await new CatalogReads(db).currentRevision())?.config.workers.map((worker) => worker.name);
  if (!entries) return;
  const entry = workerEntries(entries)(name);
  if (entry === null) {
    process.stdout.write(
      `Note: no worker() of the configuration has this name, and no template (such as '${name.replace(/[^-_.]*$/, '')}*') fits it: until one does, no engine lets it in.\n`,
    );
  } else if (isWorkerTemplate(entry))
    process.stdout.write(`It goes by the template '${entry}' of the configuration.\n`);
}

async function withDatabase(url: string, work: (db: Database) => Promise<number>): Promise<number> {
  const db = openDatabase(url, { connections: 1 });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/** To engines that share the bus of this environment, if it names one. */
async function announce(hint: Hint, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const url = env['MILLRACE_BUS'];
  if (!url) return;
  const optional = (key: string, name: string): object => (env[name] ? { [key]: env[name] } : {});
  const bus = createBus({
    url,
    ...optional('realm', 'MILLRACE_BUS_REALM'),
    ...optional('prefix', 'MILLRACE_BUS_PREFIX'),
    ...optional('authId', 'MILLRACE_BUS_USER'),
    ...optional('ticket', 'MILLRACE_BUS_TICKET'),
  });
  try {
    await bus.ready(BUS_PATIENCE_MS);
    bus.publish(hint.topic, hint.payload);
  } catch {
    process.stderr.write('The bus cannot be reached; engines find out by polling.\n');
  } finally {
    await bus.close();
  }
}
