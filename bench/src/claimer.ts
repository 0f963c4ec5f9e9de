import { once } from 'node:events';
import {
  chunked,
  type ClaimCandidate,
  ClaimStore,
  type Incarnation,
  MasterStore,
  openDatabase,
} from '@millrace/database';

/** The only argument of this program, as JSON. */
export interface ClaimerSetup {
  readonly url: string;
  readonly name: string;
  readonly claimers: number;
  /** Whether each builder has a lock, whose id is the builder's. */
  readonly hasLocks: boolean;
}

/** Free worker slots of one claimer. */
const SLOTS = 10;
const HEADS = 4;
/** Builders whose queues are read together. */
const BUILDERS_READ = 100;

const setup = JSON.parse(process.argv[2]!) as ClaimerSetup;
const db = openDatabase(setup.url);
const store = new ClaimStore(db);
const me = await new MasterStore(db).register({
  name: setup.name,
  role: 'engine',
  host: 'bench',
  pid: process.pid,
  version: 'bench',
  leaseMs: 600_000,
  isAlive: () => true,
});
const claimed: number[] = [];
/** One worker per claimer: claims for the same worker wait for each other, as those of its engine do. */
const workerIds: number[] = [];
for (let n = 0; n < setup.claimers; n++) {
  const { insertId } = await db.run(
    `INSERT INTO workers (name, info, max_builds, paused, graceful, session_epoch) VALUES (?, '{}', 1000000, 0, 0, 0)`,
    [`${setup.name}-${n}`],
  );
  workerIds.push(insertId);
}
process.send!({ kind: 'ready' });
await once(process, 'message');
await Promise.all(workerIds.map((workerId) => claimAll(me, workerId)));
process.send!({ kind: 'done', claimed });
await db.close();

/** Claims as an engine does: the heads of non-empty queues, for free slots, until nothing is left. */
async function claimAll(self: Incarnation, workerId: number): Promise<void> {
  for (;;) {
    const builders = shuffled((await store.queues()).map(({ builderId }) => builderId));
    if (builders.length === 0) return;
    const heads = await store.heads(builders.slice(0, BUILDERS_READ), HEADS);
    for (const some of chunked(heads, SLOTS)) {
      const candidates = some.map(({ requestId, builderId }) => candidate(requestId, builderId, workerId));
      claimed.push(...(await store.claim(self, candidates)).map((build) => build.requestId));
    }
  }
}

function candidate(requestId: number, builderId: number, workerId: number): ClaimCandidate {
  const builderName = `builder-${builderId}`;
  const need = {
    lockId: builderId,
    workerId: 0,
    lock: builderName,
    mode: 'counting',
    count: 1,
    capacity: 100,
  } as const;
  return {
    requestId,
    builderId,
    builderName,
    workerId,
    workerName: 'w',
    properties: {},
    ...(setup.hasLocks && { locks: [{ ...need, resources: [], property: null }] }),
  };
}

function shuffled<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
