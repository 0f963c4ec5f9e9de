import type { Incarnation, Ownership, OwnershipName, OwnershipStore } from '@millrace/database';
import { FencedError } from '@millrace/domain';
import { type HintHandler, type Hints, type Lease, type Logger, Loop } from '@millrace/master';

export interface OwnedLoopPorts {
  readonly me: Incarnation;
  readonly lease: Pick<Lease, 'mayTakeOver'>;
  readonly ownerships: OwnershipStore;
  readonly hints: Hints;
  readonly log: Logger;
}

/** Hints after which there may be something to do. */
export interface Heard {
  /** Prefix of their topics. */
  readonly prefix: string;
  /** Tells which of them matter. Default: all. */
  readonly matters?: (...hint: Parameters<HintHandler>) => boolean;
}

export interface OwnedLoopOptions {
  /** Name in the log. */
  readonly name: string;
  /** The ownership without which there is no round (`ownershipName`). */
  readonly owns: OwnershipName;
  readonly hears: readonly Heard[];
  /** Longest time until a lost hint is noticed; null for never. */
  readonly everyMs: number | null;
  /** Does one round as the owner. */
  readonly round: (owner: Ownership, signal: AbortSignal) => Promise<void>;
}

/**
 * Work that one master at a time does (I4): a loop that is nudged by hints, and whose rounds run only where the work is owned. A round that
 * loses its ownership half-way is fenced by the database, which is a normal end.
 */
export class OwnedLoop {
  private readonly loop: Loop;
  private unsubscribes: (() => void)[] = [];

  constructor(
    private readonly options: OwnedLoopOptions,
    private readonly ports: OwnedLoopPorts,
  ) {
    const { name, everyMs } = options;
    this.loop = new Loop({ name, everyMs, round: (signal) => this.round(signal), log: ports.log });
  }

  start(): void {
    this.unsubscribes = this.options.hears.map(({ prefix, matters }) =>
      this.ports.hints.subscribe(prefix, (topic, payload) => {
        if (!matters || matters(topic, payload)) this.loop.nudge();
      }),
    );
    this.loop.start();
  }

  nudge(): void {
    this.loop.nudge();
  }

  /** Stops and waits for the current round. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.unsubscribes) unsubscribe();
    await this.loop.stop();
  }

  private async round(signal: AbortSignal): Promise<void> {
    const { ownerships, me, lease, log } = this.ports;
    const { name, owns, round } = this.options;
    const owner = await ownerships.acquire(owns, me, lease.mayTakeOver());
    if (!owner) return;
    try {
      await round(owner, signal);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      log.debug({ loop: name, err: error }, 'fenced');
    }
  }
}
