import { OperationalError } from '@millrace/domain';
import { WebSocket } from 'ws';
import type { Cluster } from '../cluster.js';
import { eventually } from '../services/eventually.js';

export interface Exercise {
  /** A builder of the trigger scheduler, as is `slowBuilder`. */
  readonly trivialBuilder: string;
  /** A builder whose build is still running when it is stopped. */
  readonly slowBuilder: string;
  /** Name of a force scheduler that starts `trivialBuilder` and `slowBuilder`. */
  readonly forceScheduler: string;
}

interface Resource {
  readonly [field: string]: number | string | boolean | null;
}

/**
 * Makes a cluster send every kind of statement: builds that finish, are stopped, cancelled and rebuilt, a worker that is paused, every path
 * of the data API along every index, and live events by hint and by comparison.
 *
 * @throws OperationalError when the API refuses something
 */
export async function exercise(cluster: Cluster, names: Exercise): Promise<void> {
  const socket = await listen(cluster);
  try {
    await builds(cluster, names);
    for (const path of await paths(cluster)) await read(cluster, path);
  } finally {
    socket.terminate();
  }
}

async function listen(cluster: Cluster): Promise<WebSocket> {
  const socket = new WebSocket(`${cluster.url.replace('http', 'ws')}/ws`);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const kinds = ['builds', 'buildrequests', 'buildsets', 'changes', 'steps', 'logs', 'workers', 'masters', 'builders'];
  for (const [id, kind] of kinds.entries()) {
    socket.send(JSON.stringify({ _id: id, cmd: 'startConsuming', path: `${kind}/*/*` }));
  }
  return socket;
}

async function builds(cluster: Cluster, names: Exercise): Promise<void> {
  const { trivialBuilder, slowBuilder } = names;
  const first = async (path: string, plural: string): Promise<Resource | undefined> =>
    (await cluster.api<Record<string, Resource[]>>(path))[plural]?.[0];
  const force = async (name: string): Promise<number> => {
    const builder = (await first(`/builders/${name}`, 'builders'))!;
    const path = `/forceschedulers/${names.forceScheduler}`;
    return (await cluster.call<[number]>(path, 'force', { builderid: builder['builderid'], reason: 'exercise' }))[0];
  };
  const build = (buildset: number): Promise<Resource> =>
    eventually(
      async () => {
        const request = await first(`/buildrequests?buildsetid=${buildset}`, 'buildrequests');
        const found = await first(`/buildrequests/${String(request?.['buildrequestid'])}/builds`, 'builds');
        if (!found) throw new OperationalError('no-build', `buildset ${buildset} has no build yet`);
        return found;
      },
      { timeoutMs: 60_000, what: 'a build' },
    );
  const ended = (buildset: number): Promise<unknown> =>
    eventually(async () => (await first(`/buildsets/${buildset}`, 'buildsets'))?.['complete'] === true, {
      timeoutMs: 60_000,
      what: `the end of buildset ${buildset}`,
    });

  const trivial = await force(trivialBuilder);
  await cluster.trigger(
    { scheduler: 'trigger', builders: [trivialBuilder], properties: { exercise: true } },
    'exercise',
  );
  await cluster.trigger(
    { scheduler: 'trigger', builders: [trivialBuilder], properties: { exercise: true } },
    'exercise',
  );
  await ended(trivial);
  await cluster.call(`/builds/${String((await build(trivial))['buildid'])}`, 'rebuild');

  const slow = await force(slowBuilder);
  const running = await build(slow);
  await cluster.call(`/builds/${String(running['buildid'])}`, 'stop', { reason: 'exercise' });
  await ended(slow);

  const worker = String(running['workerid']);
  const workers = (await cluster.api<{ workers: { workerid: number }[] }>('/workers')).workers;
  for (const { workerid } of workers) await cluster.call(`/workers/${workerid}`, 'pause', { reason: 'exercise' });
  const waiting = await force(trivialBuilder);
  const request = await first(`/buildrequests?buildsetid=${waiting}`, 'buildrequests');
  await read(cluster, `buildrequests/${String(request!['buildrequestid'])}/wait_reason`);
  await cluster.call(`/buildrequests/${String(request!['buildrequestid'])}`, 'cancel', { reason: 'exercise' });
  for (const { workerid } of workers) await cluster.call(`/workers/${workerid}`, 'unpause');
  await read(cluster, `workers/${worker}/builds?order=-buildid&limit=20`);
}

/** Returns every path of the data API, with ids that exist. */
async function paths(cluster: Cluster): Promise<string[]> {
  const first = async (path: string): Promise<Resource> => {
    const answer = await cluster.api<Record<string, Resource[]>>(`/${path}`);
    const row =
      answer[path.split(/[/?]/).find((part) => part in answer) ?? ''] ??
      Object.values(answer).find((rows) => Array.isArray(rows));
    if (!row?.[0]) throw new OperationalError('empty', `${path} is empty`);
    return row[0];
  };
  const build = await first('builds?results=0&order=-buildid&limit=1');
  const [buildId, builderId] = [Number(build['buildid']), Number(build['builderid'])];
  const request = await first(`buildrequests/${String(build['buildrequestid'])}`);
  const requestId = Number(request['buildrequestid']);
  const buildsetId = Number(request['buildsetid']);
  const step = await first(`builds/${buildId}/steps`);
  const log = await first(`builds/${buildId}/logs`);
  const change = await first('changes?order=-changeid&limit=1');
  const properties = 'property=branch&property=revision&property=workername';
  return [
    ...['masters', 'builders', 'workers', 'schedulers', 'changesources', 'forceschedulers', 'projects'],
    ...['masters/1', 'masters/1/builders', `builders/${builderId}`, `builders/${builderId}/workers`, 'workers/1'],
    ...['workers/1/builders', 'schedulers/1', 'projects?active=true', `builders/${builderId}/forceschedulers`],
    // Requests of the web app's pages.
    `builds?complete=false&order=-buildid&${properties}`,
    `builds?results=2&results=4&order=-buildid&limit=10&${properties}`,
    `builds?builderid=${builderId}&order=-buildid&limit=50&${properties}`,
    `builds?builderid=${builderId}&results=0&order=-buildid&limit=50&${properties}`,
    `builds?order=-buildid&limit=150&${properties}`,
    `builds?builderid=1&builderid=2&builderid=3&order=-buildid&limit=150&${properties}`,
    'buildrequests?claimed=false&order=-priority&limit=100&property=*',
    `buildrequests?claimed=false&order=-priority&limit=100&builderid=${builderId}`,
    'changes?order=-changeid&limit=50',
    // The other orders that have an index.
    ...['-buildid', 'buildid', '-started_at'].map((order) => `builds?order=${order}&limit=20`),
    ...['-complete_at', 'complete_at'].map((order) => `builds?complete=true&order=${order}&limit=20`),
    ...['-number', 'number'].map((order) => `builds?builderid=${builderId}&order=${order}&limit=20`),
    ...['-ssid', 'ssid'].map((order) => `sourcestamps?order=${order}&limit=20`),
    `builds?complete=true&order=-buildid&limit=20`,
    `builds?builderid=${builderId}&complete=true&order=-buildid&limit=20`,
    `builds?builderid=${builderId}&number=${String(build['number'])}`,
    `builds?workerid=1&order=-buildid&limit=20`,
    `builds?buildrequestid=${requestId}`,
    `builds?buildid__lt=${buildId}&order=-buildid&limit=20`,
    `builds?started_at__gt=${String(build['started_at'])}&order=started_at&limit=20`,
    `builders/${builderId}/builds?order=-number&limit=20`,
    `builds/${buildId}?property=*`,
    ...['properties', 'changes', 'steps', 'logs'].map((part) => `builds/${buildId}/${part}`),
    `builders/${builderId}/builds/${String(build['number'])}/steps`,
    `steps/${String(step['stepid'])}/logs`,
    ...['', '/contents?offset=0&limit=10', '/raw'].map((part) => `logs/${String(log['logid'])}${part}`),
    ...['', '/properties', '/builds', '/wait_reason'].map((part) => `buildrequests/${requestId}${part}`),
    `buildrequests/${String(request['uuid'])}`,
    ...['-buildrequestid', '-submitted_at'].map((order) => `buildrequests?order=${order}&limit=20`),
    'buildrequests?complete=true&order=-complete_at&limit=20',
    'buildrequests?complete=false',
    'buildrequests?claimed=true&complete=false',
    'buildrequests?claimed=false&order=buildrequestid',
    `builders/${builderId}/buildrequests?order=-buildrequestid&limit=20`,
    ...['', '/properties', '/sourcestamps'].map((part) => `buildsets/${buildsetId}${part}`),
    ...['-bsid', '-submitted_at'].map((order) => `buildsets?order=${order}&limit=20`),
    'buildsets?complete=true&order=-complete_at&limit=20',
    'buildsets?complete=false&limit=20',
    `buildsets?rebuilt_buildid=${buildId}&order=-bsid`,
    ...['', '/builds'].map((part) => `changes/${String(change['changeid'])}${part}`),
    ...['branch=main', 'project=history', 'branch=main&branch=other'].map(
      (by) => `changes?${by}&order=-changeid&limit=20`,
    ),
    'changes?revision=00000000002A',
    ...['', '/changes'].map((part) => `sourcestamps/1${part}`),
  ];
}

/** Reads a page and, if there is one, the page after it. */
async function read(cluster: Cluster, path: string): Promise<void> {
  const response = await fetch(`${cluster.url}/api/v2/${path}`, { headers: { accept: 'application/json' } });
  const text = await response.text();
  if (!response.ok) throw new OperationalError('api', `${path}: ${response.status} ${text}`, { path });
  if (!response.headers.get('content-type')?.includes('json') || path.includes('cursor=')) return;
  const { meta } = JSON.parse(text) as { meta?: { next?: string } };
  if (meta?.next) await read(cluster, meta.next.replace(/^\/api\/v2\//, ''));
}
