import { messageOf, OperationalError, UserError } from '@millrace/domain';
import { Bindings, type Wish } from './bindings.js';
import { BATCH_TOPIC, packed, unpacked } from './hint-batch.js';
import { type Hint, HintQueue } from './hint-queue.js';
import type { Dial, Link } from './link.js';
import type { BusSettings } from './options.js';
import type { Bus, BusPayload, BusState, BusStats, HintHandler, ProcedureHandler } from './port.js';
import { abortableDelay, deferred, retryDelayMs } from './timing.js';
import { checkTopic, covers, isPayload, isTopic } from './topics.js';

/** Most hints per round trip to the broker. Later ones wait, and are merged, until the broker has taken these. */
const BATCH = 256;
/**
 * Time from a message to the next. The first hint of an idle bus is sent at once, and those that follow gather: a message costs a broker
 * and every listener the same, however many hints are in it.
 */
const PACE_MS = 20;
const CALL_TIMEOUT_MS = 5_000;
/** How long `close` waits for the broker to take the queued hints. */
const CLOSE_FLUSH_MS = 2_000;

interface Session {
  readonly link: Link;
  readonly bindings: Bindings;
  /** Functions that reject pending operations. They are called when the link is lost. */
  readonly pending: Set<(error: Error) => void>;
  /** Gives up the link as if it had been lost. */
  readonly drop: (reason: string) => void;
  /** True once all subscriptions and registrations are in place again. */
  isResumed: boolean;
}

/** A bus that uses one `Link` at a time and dials a new one whenever it is lost, for ever. */
export class LinkedBus implements Bus {
  state: BusState = 'connecting';
  readonly stats: { -readonly [K in keyof BusStats]: BusStats[K] } = {
    published: 0,
    received: 0,
    dropped: 0,
    coalesced: 0,
    reconnects: 0,
  };
  private readonly queue: HintQueue;
  private readonly handlers = new Map<string, Set<HintHandler>>();
  private readonly procedures = new Map<string, ProcedureHandler>();
  private readonly listeners = new Set<(state: BusState) => void>();
  private readonly closing = new AbortController();
  private session: Session | undefined;
  private isFlushing = false;
  private lastFailure = 'no attempt has ended yet';
  private readonly running: Promise<void>;

  constructor(
    private readonly settings: BusSettings,
    dial: Dial,
  ) {
    this.queue = new HintQueue(settings.maxQueued);
    this.running = this.run(dial);
  }

  publish(topic: string, payload: BusPayload): void {
    if (this.closing.signal.aborted || !isTopic(topic) || topic === BATCH_TOPIC || !isPayload(payload)) {
      this.stats.dropped++;
      if (!this.closing.signal.aborted) this.settings.onWarning('bad hint dropped', { topic });
      return;
    }
    const queued = this.queue.push(topic, payload);
    if (queued === 'coalesced') this.stats.coalesced++;
    if (queued === 'dropped-oldest') this.stats.dropped++;
    if (this.state === 'connected' && !this.isFlushing) {
      this.isFlushing = true;
      queueMicrotask(() => void this.flush());
    }
  }

  subscribe(prefix: string, handler: HintHandler): () => void {
    if (prefix !== '') checkTopic(prefix);
    let handlers = this.handlers.get(prefix);
    if (!handlers) this.handlers.set(prefix, (handlers = new Set()));
    // Wrapped, so that the same function may be subscribed twice.
    const own: HintHandler = (topic, payload) => handler(topic, payload);
    handlers.add(own);
    void this.reconcileSubscription(prefix);
    return () => {
      const current = this.handlers.get(prefix);
      if (!current?.delete(own)) return;
      if (current.size === 0) this.handlers.delete(prefix);
      void this.reconcileSubscription(prefix);
    };
  }

  register(procedure: string, handler: ProcedureHandler): () => void {
    checkTopic(procedure);
    if (this.procedures.has(procedure)) {
      throw new UserError('procedure-registered', `'${procedure}' is registered already`, { procedure });
    }
    this.procedures.set(procedure, handler);
    void this.reconcileProcedure(procedure);
    return () => {
      if (this.procedures.get(procedure) !== handler) return;
      this.procedures.delete(procedure);
      void this.reconcileProcedure(procedure);
    };
  }

  async call(procedure: string, args: BusPayload, options: { readonly timeoutMs?: number } = {}): Promise<BusPayload> {
    checkTopic(procedure);
    const { timeoutMs = CALL_TIMEOUT_MS } = options;
    const { session } = this;
    if (!session || this.state !== 'connected') {
      throw new OperationalError('bus-disconnected', `cannot call ${procedure}: the bus is not connected`, {
        procedure,
      });
    }
    const result = await this.whileLinked(session, session.link.call(procedure, args, timeoutMs), {
      timeoutMs,
      onTimeout: () =>
        new OperationalError('bus-call-timeout', `${procedure} did not answer in ${timeoutMs} ms`, { procedure }),
    });
    if (isPayload(result)) return result;
    throw new OperationalError('bus-call-failed', `${procedure} answered with something that is not an object`, {
      procedure,
    });
  }

  onState(listener: (state: BusState) => void): () => void {
    const own = (state: BusState): void => listener(state);
    this.listeners.add(own);
    return () => void this.listeners.delete(own);
  }

  ready(timeoutMs: number): Promise<void> {
    if (this.state === 'connected') return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        clearTimeout(timer);
        stop();
        outcome();
      };
      const fail = (): void => {
        const { url } = this.settings;
        const message = `no connection to the bus at ${url}: ${this.lastFailure}`;
        settle(() => reject(new OperationalError('bus-unreachable', message, { url, timeoutMs })));
      };
      const timer = setTimeout(fail, timeoutMs);
      const stop = this.onState((state) => (state === 'connected' ? settle(resolve) : state === 'off' && fail()));
      if (this.closing.signal.aborted) fail();
    });
  }

  async close(): Promise<void> {
    if (this.closing.signal.aborted) return this.running;
    if (this.state === 'connected') await this.flushed();
    this.closing.abort();
    await this.running;
    this.setState('off');
  }

  /** Dials, stays connected, and dials again, until closed. */
  private async run(dial: Dial): Promise<void> {
    const { signal } = this.closing;
    const { backoff, url, onWarning } = this.settings;
    let failures = 0;
    let connections = 0;
    while (!signal.aborted) {
      const lost = deferred<string>();
      let link: Link;
      try {
        link = await this.unlessClosed(dial(lost.resolve));
      } catch (error) {
        if (signal.aborted) break;
        this.lastFailure = messageOf(error);
        if (failures === 0) onWarning('bus unreachable', { url, error: this.lastFailure });
        await abortableDelay(retryDelayMs(failures++, backoff), signal);
        continue;
      }
      const abort = (): void => lost.resolve('closed');
      signal.addEventListener('abort', abort);
      const session = this.adopt(link, lost.resolve);
      if (connections++ > 0) this.stats.reconnects++;
      void this.resume(session);
      const reason = await lost.promise;
      signal.removeEventListener('abort', abort);
      this.abandon(session, reason);
      await link.close();
      if (!signal.aborted) {
        // A broker that accepts and drops us at once must not be hammered either.
        failures = session.isResumed ? 0 : failures + 1;
        onWarning('bus lost', { url, reason });
        await abortableDelay(retryDelayMs(failures, backoff), signal);
      }
    }
  }

  private adopt(link: Link, drop: (reason: string) => void): Session {
    const onRefused = (name: string, error: unknown): void => {
      if (this.session?.link === link) this.settings.onWarning('bus refused', { name, error: messageOf(error) });
    };
    const session: Session = {
      link,
      bindings: new Bindings(link, onRefused),
      pending: new Set(),
      drop,
      isResumed: false,
    };
    this.session = session;
    return session;
  }

  /** Restores all subscriptions and registrations before anybody is told `connected`. */
  private async resume(session: Session): Promise<void> {
    const subscriptions = [...this.handlers.keys()].map((prefix) => this.reconcileSubscription(prefix));
    const procedures = [...this.procedures.keys()].map((name) => this.reconcileProcedure(name));
    try {
      await this.whileLinked(session, Promise.all([...subscriptions, ...procedures]), this.answerLimit());
    } catch (error) {
      return session.drop(messageOf(error));
    }
    if (this.session !== session) return;
    session.isResumed = true;
    this.setState('connected');
    if (this.queue.size > 0 && !this.isFlushing) {
      this.isFlushing = true;
      await this.flush();
    }
  }

  /** Closes a link that is established after `close`. */
  private unlessClosed(dialling: Promise<Link>): Promise<Link> {
    const { signal } = this.closing;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new OperationalError('bus-disconnected', 'the bus was closed'));
      signal.addEventListener('abort', abort, { once: true });
      dialling
        .then((link) => (signal.aborted ? void link.close() : resolve(link)), reject)
        .finally(() => {
          signal.removeEventListener('abort', abort);
        });
    });
  }

  /** Returns the time limit for the broker's own answers. The heartbeat notices a silent connection sooner. */
  private answerLimit(): { readonly timeoutMs: number; readonly onTimeout: () => Error } {
    const timeoutMs = 4 * this.settings.heartbeatMs;
    return {
      timeoutMs,
      onTimeout: () => new OperationalError('bus-disconnected', 'the broker does not answer', { timeoutMs }),
    };
  }

  private abandon(session: Session, reason: string): void {
    this.lastFailure = reason;
    this.session = undefined;
    this.setState('connecting');
    const error = new OperationalError('bus-disconnected', `the connection to the bus was lost: ${reason}`, { reason });
    for (const reject of session.pending) reject(error);
  }

  /** Sends until the queue is empty or the link is lost. The caller has set `isFlushing`. */
  private async flush(): Promise<void> {
    const { session } = this;
    while (session && this.session === session && this.queue.size > 0) {
      const hints = this.queue.take(BATCH);
      try {
        const refused = await this.whileLinked(session, sent(session.link, hints), this.answerLimit());
        this.stats.published += hints.length - refused;
        this.stats.dropped += refused;
        if (this.queue.size < BATCH) await abortableDelay(PACE_MS, this.closing.signal);
      } catch (error) {
        const { coalesced, dropped } = this.queue.putBack(hints);
        this.stats.coalesced += coalesced;
        this.stats.dropped += dropped;
        session.drop(messageOf(error));
        break;
      }
    }
    this.isFlushing = false;
    // Hints were published while the flush of a lost link was ending and the next link was already connected.
    if (this.state === 'connected' && this.session !== session && this.queue.size > 0) {
      this.isFlushing = true;
      await this.flush();
    }
  }

  private async flushed(): Promise<void> {
    const deadline = performance.now() + CLOSE_FLUSH_MS;
    while ((this.isFlushing || this.queue.size > 0) && this.state === 'connected' && performance.now() < deadline) {
      await abortableDelay(5, this.closing.signal);
    }
  }

  private async reconcileSubscription(prefix: string): Promise<void> {
    const wish: Wish = {
      isWanted: () => this.handlers.has(prefix),
      bind: (link) =>
        link.subscribe(prefix, (topic, payload) => {
          if (topic === BATCH_TOPIC) this.receiveBatch(payload);
          else this.receive(prefix, topic, payload);
        }),
    };
    // A batch has a topic of its own, which the subscription to everything covers.
    const batches: Wish = {
      isWanted: () => this.handlers.size > 0 && !this.handlers.has(''),
      bind: (link) => link.subscribe(BATCH_TOPIC, (_topic, payload) => this.receiveBatch(payload)),
    };
    const bindings = this.session?.bindings;
    await Promise.all([
      bindings?.reconcile(`subscription to '${prefix}'`, wish),
      bindings?.reconcile('subscription to batches', batches),
    ]);
  }

  private reconcileProcedure(procedure: string): Promise<void> {
    const wish: Wish = {
      isWanted: () => this.procedures.has(procedure),
      bind: (link) => link.register(procedure, (args) => this.answer(procedure, args)),
    };
    return this.session?.bindings.reconcile(`procedure '${procedure}'`, wish) ?? Promise.resolve();
  }

  private receiveBatch(payload: unknown): void {
    const hints = unpacked(payload);
    if (hints === null) {
      this.stats.dropped++;
      this.settings.onWarning('batch without hints dropped', {});
      return;
    }
    for (const { topic, payload: of } of hints)
      for (const prefix of [...this.handlers.keys()]) this.receive(prefix, topic, of);
  }

  private receive(prefix: string, topic: string, payload: unknown): void {
    if (!covers(prefix, topic)) return;
    if (!isPayload(payload)) {
      this.stats.dropped++;
      this.settings.onWarning('hint without an object dropped', { topic });
      return;
    }
    this.stats.received++;
    for (const handler of this.handlers.get(prefix) ?? []) {
      try {
        handler(topic, payload);
      } catch (error) {
        this.settings.onWarning('hint handler failed', { topic, error: messageOf(error) });
      }
    }
  }

  private async answer(procedure: string, args: unknown): Promise<BusPayload> {
    const handler = this.procedures.get(procedure);
    if (!handler)
      throw new OperationalError('bus-no-such-procedure', `'${procedure}' is not registered`, { procedure });
    if (!isPayload(args)) throw new UserError('bad-arguments', `${procedure} takes an object`, { procedure });
    return handler(args);
  }

  /** Settles as `promise` does, or rejects when the link is lost or the time is up first. */
  private whileLinked<T>(
    session: Session,
    promise: Promise<T>,
    limit: { readonly timeoutMs: number; readonly onTimeout: () => Error },
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => fail(limit.onTimeout()), limit.timeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        session.pending.delete(fail);
      };
      const fail = (error: Error): void => {
        done();
        reject(error);
      };
      session.pending.add(fail);
      promise.then((value) => {
        done();
        resolve(value);
      }, fail);
    });
  }

  private setState(state: BusState): void {
    if (this.state === state) return;
    this.state = state;
    for (const listener of [...this.listeners]) {
      try {
        listener(state);
      } catch (error) {
        this.settings.onWarning('state listener failed', { state, error: messageOf(error) });
      }
    }
  }
}

/**
 * Sends hints, several as one message.
 * @returns how many were refused
 */
async function sent(link: Link, hints: readonly Hint[]): Promise<number> {
  const batch = hints.length > 1 ? packed(hints) : null;
  // What is refused as one message is sent one by one, so that only what the broker does not take is lost.
  if (batch && (await link.publish([batch])) === 0) return 0;
  return link.publish(hints);
}
