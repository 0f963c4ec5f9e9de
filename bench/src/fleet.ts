import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@millrace/domain';
import { FakeWorker } from '@millrace/testing';

/** The only argument of this program, as JSON. */
export interface FleetSetup {
  readonly url: string;
  /** Worker `wN` has the password `TOKEN-wN`. */
  readonly token: string;
  readonly workers: number;
  /** Number of the first worker. Default 0. */
  readonly first?: number;
}

export type FleetRequest = { readonly kind: 'connect' } | { readonly kind: 'keepalives'; readonly count: number };

/** Most workers that connect at the same time. */
const AT_ONCE = 100;
/** The same as our worker's: it makes its first attempt within a second, and attempts are never minutes apart. */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5000;

const setup = JSON.parse(process.argv[2]!) as FleetSetup;
const connected = new Map<number, FakeWorker>();
let failures = 0;

process.on('disconnect', () => process.exit(0));
process.on('message', (request: FleetRequest) => {
  if (request.kind === 'connect') void connectAll();
  else void keepalives(request.count);
});
setInterval(() => process.send!({ kind: 'state', connected: connected.size, failures }), 100);

async function connectAll(): Promise<void> {
  const todo = Array.from({ length: setup.workers }, (_, i) => (setup.first ?? 0) + i);
  const connectNext = async (): Promise<void> => {
    for (let i = todo.shift(); i !== undefined; i = todo.shift()) await connect(i);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, connectNext));
}

/** Connects a worker, retrying until it succeeds, and again whenever its connection is lost. */
async function connect(index: number): Promise<void> {
  const name = `w${index}`;
  for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 1.5, LAST_RETRY_MS)) {
    try {
      const worker = await FakeWorker.connect({ url: setup.url, name, password: `${setup.token}-${name}` });
      connected.set(index, worker);
      void worker.closed.then(async () => {
        connected.delete(index);
        await delay(FIRST_RETRY_MS * (0.5 + Math.random()));
        await connect(index);
      });
      return;
    } catch (error) {
      if (++failures % 1000 === 1) process.stderr.write(`fleet: ${name}: ${messageOf(error)}\n`);
      await delay(retryMs * (0.5 + Math.random()));
    }
  }
}

async function keepalives(count: number): Promise<void> {
  const workers = [...connected.values()];
  const samplesMs: number[] = [];
  for (let i = 0; i < count; i++) {
    samplesMs.push(await workers[Math.floor(Math.random() * workers.length)]!.keepaliveMs());
    await delay(2);
  }
  process.send!({ kind: 'keepalives', samplesMs });
}
