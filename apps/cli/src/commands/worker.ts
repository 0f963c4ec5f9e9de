import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createBus } from '@millrace/bus';
import { type Hint, hints, type WorkerResource } from '@millrace/contracts';
import { type Database, openDatabase, storesOf } from '@millrace/database';
import { isWorkerName, isWorkerTemplate, messageOf, shellWord, UserError, workerEntries } from '@millrace/domain';
import { say, sayTable } from '../output.js';
import { recorded } from './recorded.js';

/** How long to wait for the bus to carry a hint. Without it engines find the change by polling. */
const BUS_PATIENCE_MS = 2000;

export interface CreateOptions {
  readonly name: string;
  readonly revokeOld: boolean;
  /** Whether the worker may also log in over PB. */
  readonly pb: boolean;
  /** Address where workers connect. */
  readonly master: string;
  /** A new file for the token. Without it the token is printed. */
  readonly tokenFile?: string | undefined;
}

export type WorkerAction = 'pause' | 'unpause' | 'stop' | 'kill';

/**
 * Runs `millrace worker create`: prints a new token, or writes it into a file, and prints how to use it. Only the token's hash is stored.
 */
export function createWorker(databaseUrl: string, options: CreateOptions): Promise<number> {
  const { name, master, tokenFile } = options;
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
    const { audit, tokens } = storesOf(db);
    const { pb, revokeOld } = options;
    await recorded(
      audit,
      { action: 'worker create', target: `workers/${name}`, params: { pb, revokeOld } },
      async () => {
        // Before the token is stored, so that no token is made that cannot be written.
        if (tokenFile !== undefined) writeToken(tokenFile, token);
        const pbDigest = pb ? digest('md5') : null;
        await tokens.create({ workerName: name, hash: digest('sha256'), pbDigest, revokeOld });
      },
    );
    await announce(hints.workerTokens());
    say(howToUse(token, options));
    await noteEntry(db, name);
    return 0;
  });
}

/**
 * Writes the token into a new file.
 * @throws UserError `token-file` when the file exists already, or cannot be made
 */
function writeToken(path: string, token: string): void {
  try {
    writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    throw new UserError('token-file', `the token cannot be written: ${messageOf(cause)}`, { path }, { cause });
  }
}

/**
 * Returns the commands with which the worker is set up. None of them has the token among a program's arguments, which everybody on the
 * machine can read while the program runs.
 */
function howToUse(token: string, { name, master, pb, tokenFile }: CreateOptions): string {
  const there = shellWord(`${name}.token`);
  const given =
    tokenFile === undefined
      ? `The token of worker '${name}', which cannot be shown again:\n\n  ${token}\n\nOn its machine, put it into a file of the worker's user, here ${there}, and start the worker:`
      : `The token of worker '${name}' is in ${tokenFile}. Move that to the worker's machine, here as ${there}, and start the worker:`;
  const run = `npx millrace-worker --master ${shellWord(master)} --name ${shellWord(name)} --basedir ${shellWord(`./${name}`)} --token-file ${there}`;
  const stock = `buildbot-worker create-worker ${shellWord(`./${name}`)} ${shellWord(new URL(master).host)} ${shellWord(name)} "$(cat ${there})"`;
  return [
    `${given}\n\n  chmod 600 ${there}\n  ${run}\n`,
    ...(pb ? [`or a stock worker, which keeps the token in its buildbot.tac:\n\n  ${stock}\n`] : []),
  ].join('\n');
}

/** Runs `millrace worker revoke`: no token of the worker is valid any more, and its session ends. */
export function revokeWorker(databaseUrl: string, name: string): Promise<number> {
  return withDatabase(databaseUrl, async (db) => {
    const { audit, tokens } = storesOf(db);
    const deed = { action: 'worker revoke', target: `workers/${name}` };
    const revoked = await recorded(audit, deed, () => tokens.revoke(name));
    await announce(hints.workerTokens());
    say(`${revoked} ${revoked === 1 ? 'token' : 'tokens'} of worker '${name}' revoked.`);
    return 0;
  });
}

/**
 * Runs `millrace worker pause` and similar commands: stores the wanted state of the worker. The engine that has the worker carries it out.
 */
export function controlWorker(
  databaseUrl: string,
  action: WorkerAction,
  name: string,
  reason: string | null,
): Promise<number> {
  return withDatabase(databaseUrl, async (db) => {
    const { audit, catalog, workerActions: store } = storesOf(db);
    const workerId = (await catalog.workers()).find((worker) => worker.name === name)?.workerid;
    if (workerId === undefined) throw new UserError('not-found', `there is no worker '${name}'`, { name });
    const actions: Record<WorkerAction, () => Promise<void>> = {
      pause: () => store.pauseWorker(workerId, reason),
      unpause: () => store.unpauseWorker(workerId),
      stop: () => store.stopWorker(workerId, reason),
      kill: () => store.killWorker(workerId, reason),
    };
    const params = reason === null ? {} : { reason };
    await recorded(audit, { action: `worker ${action}`, target: `workers/${name}`, params }, actions[action]);
    await announce(hints.worker(workerId, 'state_updated'));
    return 0;
  });
}

/** Runs `millrace worker list`. */
export function listWorkers(databaseUrl: string): Promise<number> {
  return withDatabase(databaseUrl, async (db) => {
    const catalog = storesOf(db).catalog;
    const [workers, masters] = await Promise.all([catalog.workers(), catalog.masters()]);
    const tokens = await storesOf(db).tokens.summary();
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
    sayTable([['WORKER', 'STATE', 'ENGINE', 'LAST SEEN', 'VERSION', 'ADDRESS', 'TOKENS'], ...rows]);
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
  const entries = (await storesOf(db).catalog.currentRevision())?.config.workers.map((worker) => worker.name);
  if (!entries) return;
  const entry = workerEntries(entries)(name);
  if (entry === null) {
    say(
      `Note: no worker() of the configuration has this name, and no template (such as '${name.replace(/[^-_.]*$/, '')}*') fits it: until one does, no engine lets it in.`,
    );
  } else if (isWorkerTemplate(entry)) say(`It goes by the template '${entry}' of the configuration.`);
}

async function withDatabase(url: string, work: (db: Database) => Promise<number>): Promise<number> {
  const db = openDatabase(url, { connections: 1 });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

/** Sends a hint to the engines that share the bus of this environment, if it has one. */
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
