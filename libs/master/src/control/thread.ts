import { parentPort, workerData } from 'node:worker_threads';
import { createBus } from '@millrace/bus';
import { openDatabase, storesOf } from '@millrace/database';
import { readHint } from '@millrace/contracts';
import { loggableText, messageOf, monotonicMs, PerMinute, printable, UnexpectedError } from '@millrace/domain';
import { ClockWatch } from './clock-watch.js';
import type { ControlSetup, FromControl, HeardHint, ToControl } from './protocol.js';
import { judgeSilence } from './silence.js';

const BUS_WARNINGS_A_MINUTE = 10;

/**
 * The control thread: renews the master's lease on a database connection of its own and holds the bus session, so that neither waits for
 * anything that the main loop does (I5). It renews only while the main loop's heartbeat is fresh. A hung master loses its lease and then
 * ends itself, because somebody else may be doing its work.
 */
const port = parentPort;
if (!port) throw new UnexpectedError('no-parent', 'the control thread was started as a program');
const setup = workerData as ControlSetup;
const say = (message: FromControl): void => port.postMessage(message);

const db = openDatabase(setup.databaseUrl, { connections: 1, answerWithinMs: setup.leaseMs });
const masters = storesOf(db).masters;
const heartbeat = new BigInt64Array(setup.heartbeat);
const warnings = new PerMinute(BUS_WARNINGS_A_MINUTE);
const bus = createBus({
  ...setup.bus,
  onWarning: (text, fields) => {
    if (warnings.pass(performance.now()) !== null) say({ kind: 'bus-warning', text, fields: scalars(fields) });
  },
});
const drops = new PerMinute(1);
const clock = new ClockWatch();
const heard: HeardHint[] = [];
const subscriptions = new Map<number, () => void>();
let leaseUntilMs = monotonicMs() + setup.leaseMs;
let dueAtMs = monotonicMs();
let stopping = false;
let timer: NodeJS.Timeout;

bus.onState((state) => say({ kind: 'bus-state', state }));
say({ kind: 'bus-state', state: bus.state });

port.on('message', (message: ToControl) => {
  switch (message.kind) {
    case 'publish':
      for (const { topic, payload } of message.hints) bus.publish(topic, payload);
      return;
    case 'subscribe':
      subscriptions.set(
        message.id,
        bus.subscribe(message.prefix, (topic, payload) => {
          const hint = readHint(topic, payload);
          if (hint === null) dropped(topic);
          else hear({ id: message.id, topic: hint.topic, payload: hint.payload });
        }),
      );
      return;
    case 'unsubscribe':
      subscriptions.get(message.id)?.();
      subscriptions.delete(message.id);
      return;
    case 'stop':
      void stop();
      return;
  }
});

/** Passes a hint on, together with the others of the same message. */
function hear(hint: HeardHint): void {
  if (heard.length === 0) queueMicrotask(() => say({ kind: 'hints', heard: heard.splice(0) }));
  heard.push(hint);
}

/** Counts a message on the bus that is no hint. Ignoring it is safe, because hints only save polls (I1). */
function dropped(topic: string): void {
  const before = drops.pass(performance.now());
  if (before !== null) say({ kind: 'dropped-hints', count: before + 1, topic: printable(topic, 100) });
}

function scalars(fields: Readonly<Record<string, unknown>>): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'number' ? value : loggableText(String(value), 500),
    ]),
  );
}

async function renew(): Promise<void> {
  const askedAtMs = monotonicMs();
  const silentMs = askedAtMs - Number(Atomics.load(heartbeat, 0));
  const judgement = judgeSilence({
    silentMs,
    lateMs: askedAtMs - dueAtMs,
    leaseMs: setup.leaseMs,
    isLeaseOver: askedAtMs > leaseUntilMs,
  });
  if (judgement === 'end') end(`the main loop has not turned for ${silentMs} ms and the lease has run out`);
  if (judgement === 'wait') return;
  try {
    if (!(await masters.renew(setup.me, setup.leaseMs))) {
      if (stopping) return;
      end('another process has begun a new life of this master');
    }
    leaseUntilMs = askedAtMs + setup.leaseMs;
    // First: what is taken over from then on is judged by the clock as it is now.
    await judgeClock();
    say({ kind: 'renewal', ok: true, reason: null });
  } catch (error) {
    // A lost database connection does not end the master: whoever reconnects first may renew, and nobody takes over at once.
    if (!stopping) say({ kind: 'renewal', ok: false, reason: messageOf(error) });
  }
}

/**
 * Checks whether the database's clock was set. When it was set forward, every lease looks expired until it is renewed: as after an outage,
 * nobody takes over at once. When it was set back, the leases of dead masters look valid for that much longer: they are cut to the length
 * of a lease.
 */
async function judgeClock(): Promise<void> {
  const { nowMs, hasOverlong } = await masters.clock();
  if (hasOverlong) await masters.cutLeases();
  const stepMs = clock.step(nowMs, monotonicMs());
  if (stepMs > setup.leaseMs / 2) say({ kind: 'clock-set', stepMs });
}

function schedule(): void {
  if (stopping) return;
  dueAtMs = monotonicMs() + setup.leaseMs / 5;
  timer = setTimeout(() => void renew().finally(schedule), setup.leaseMs / 5);
}

/** Ends the process at once. After a lost lease no handlers are run, because they may be what hangs. */
function end(reason: string): void {
  process.stderr.write(`millrace: master ${setup.me.masterId} ends itself: ${reason}\n`);
  process.kill(process.pid, 'SIGKILL');
}

async function stop(): Promise<void> {
  stopping = true;
  clearTimeout(timer);
  await bus.close();
  await masters
    .stop(setup.me)
    .catch((error: unknown) => process.stderr.write(`lease not given up: ${loggableText(messageOf(error))}\n`));
  await db.close();
  say({ kind: 'stopped' });
  port!.close();
}

schedule();
