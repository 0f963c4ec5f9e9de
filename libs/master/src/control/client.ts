import { Worker } from 'node:worker_threads';
import type { BusState } from '@millrace/bus';
import { type Hint, isForPages } from '@millrace/contracts';
import { monotonicMs } from '@millrace/domain';
import type { HintHandler, Hints } from '../hints.js';
import type { ControlSetup, FromControl, ToControl } from './protocol.js';

const HEARTBEAT_MS = 200;
/** Time that hints for pages gather. Each message on the bus costs every master something, and a short build would be five. */
const GATHER_MS = 25;

export interface ControlOptions {
  readonly setup: Omit<ControlSetup, 'heartbeat'>;
  readonly onRenewal: (ok: boolean, reason: string | null) => void;
  /** Called when the database's clock was set forward, with the difference. */
  readonly onClockSet: (stepMs: number) => void;
  readonly onDeath: (reason: string) => void;
  readonly onTrouble: (text: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** The main thread's end of the control thread. */
export class ControlClient implements Hints {
  private readonly worker: Worker;
  private readonly heartbeat = new SharedArrayBuffer(8);
  private readonly beating: NodeJS.Timeout;
  private readonly handlers = new Map<number, { readonly prefix: string; readonly handler: HintHandler }>();
  private readonly stateListeners = new Set<(state: BusState) => void>();
  private readonly stopped: Promise<void>;
  private lastId = 0;
  /** Hints that cross to the control thread, and mostly the bus, together. */
  private unsent: Hint[] = [];
  /** When they do: after this turn of the event loop, or a little later if only pages wait for them. */
  private atOnce: NodeJS.Immediate | undefined;
  private soon: NodeJS.Timeout | undefined;
  /** Number of messages on the bus that were no hints, as far as the control thread has reported them. */
  droppedHints = 0;
  private busState: BusState = 'connecting';

  constructor(private readonly options: ControlOptions) {
    const { setup, onDeath } = options;
    this.beat();
    this.beating = setInterval(() => this.beat(), HEARTBEAT_MS);
    const workerData: ControlSetup = { ...setup, heartbeat: this.heartbeat };
    this.worker = new Worker(new URL('./thread.js', import.meta.url), { workerData });
    let finished = false;
    this.stopped = new Promise((resolve) => {
      this.worker.on('message', (message: FromControl) => {
        if (message.kind === 'stopped') {
          finished = true;
          resolve();
        } else this.receive(message);
      });
      this.worker.on('error', (error) => onDeath(error.message));
      this.worker.on('exit', (code) => {
        if (!finished) onDeath(`the control thread ended with code ${code}`);
        resolve();
      });
    });
  }

  get state(): BusState {
    return this.busState;
  }

  /** Sends a hint to other masters through the bus, and at once to the listeners of this one. */
  publish(hint: Hint): void {
    this.unsent.push(hint);
    if (isForPages(hint.topic)) this.soon ??= setTimeout(() => this.sendHints(), GATHER_MS);
    else this.atOnce ??= setImmediate(() => this.sendHints());
    for (const { prefix, handler } of this.handlers.values()) {
      if (covers(prefix, hint.topic)) handler(hint.topic, hint.payload);
    }
  }

  subscribe(prefix: string, handler: HintHandler): () => void {
    const id = ++this.lastId;
    this.handlers.set(id, { prefix, handler });
    this.send({ kind: 'subscribe', id, prefix });
    return () => {
      this.handlers.delete(id);
      this.send({ kind: 'unsubscribe', id });
    };
  }

  onState(listener: (state: BusState) => void): () => void {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }

  /** Gives up the lease and leaves the bus. */
  async stop(): Promise<void> {
    this.sendHints();
    this.send({ kind: 'stop' });
    await this.stopped;
    clearInterval(this.beating);
  }

  private receive(message: Exclude<FromControl, { kind: 'stopped' }>): void {
    switch (message.kind) {
      case 'bus-state':
        this.busState = message.state;
        for (const listener of this.stateListeners) listener(message.state);
        return;
      case 'hints':
        for (const { id, topic, payload } of message.heard) this.handlers.get(id)?.handler(topic, payload);
        return;
      case 'dropped-hints':
        this.droppedHints += message.count;
        this.options.onTrouble('what is no hint came by the bus and was dropped', {
          count: message.count,
          topic: message.topic,
        });
        return;
      case 'bus-warning':
        this.options.onTrouble(message.text, message.fields);
        return;
      case 'renewal':
        this.options.onRenewal(message.ok, message.reason);
        return;
      case 'clock-set':
        this.options.onClockSet(message.stepMs);
        return;
    }
  }

  private sendHints(): void {
    clearTimeout(this.soon);
    clearImmediate(this.atOnce);
    this.soon = this.atOnce = undefined;
    if (this.unsent.length === 0) return;
    this.send({ kind: 'publish', hints: this.unsent });
    this.unsent = [];
  }

  private beat(): void {
    Atomics.store(new BigInt64Array(this.heartbeat), 0, BigInt(monotonicMs()));
  }

  private send(message: ToControl): void {
    this.worker.postMessage(message);
  }
}

function covers(prefix: string, topic: string): boolean {
  return prefix === '' || topic === prefix || topic.startsWith(`${prefix}.`);
}
