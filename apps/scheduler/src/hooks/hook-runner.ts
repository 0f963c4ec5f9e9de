import { type Delivery, hookDialect, type HookChange } from '@millrace/config';
import { type CompiledCodebase, type CompiledHook, hints } from '@millrace/contracts';
import {
  type DeliveryOutcome,
  type HookDeliveryStore,
  type NewChange,
  type Ownership,
  ownershipName,
  type ReadDelivery,
  type WaitingDelivery,
} from '@millrace/database';
import { FencedError, messageOf, OperationalError, printable, propertiesFrom, UserError } from '@millrace/domain';
import { OwnedLoop, type OwnedLoopPorts } from '../owned-loop.js';
import type { CallbackCaller } from '../schedulers/judge.js';

export interface HookRunnerPorts extends OwnedLoopPorts {
  readonly deliveries: HookDeliveryStore;
}

export interface HookRunnerOptions {
  readonly hook: CompiledHook;
  /** Codebases whose commits are recorded. */
  readonly codebases: readonly CompiledCodebase[];
  readonly call: CallbackCaller;
  /** The release and revision. What another one could not read is tried again. */
  readonly readBy: string;
  /** Longest time until a lost hint is noticed. */
  readonly everyMs: number;
}

/** Time after which deliveries that were read are settled, although more follow. */
const TOGETHER_MS = 200;

/** Reads the deliveries of one hook, in the order in which they came. It is active on one master at a time (I4). */
export class HookRunner {
  private readonly loop: OwnedLoop;
  /** The ownership under which failed deliveries were given another chance. */
  private retriedAs: number | null = null;

  constructor(
    private readonly options: HookRunnerOptions,
    private readonly ports: HookRunnerPorts,
  ) {
    const { hook, everyMs } = options;
    this.loop = new OwnedLoop(
      {
        name: `hook:${hook.name}`,
        owns: ownershipName.hook(hook.name),
        hears: [{ prefix: 'deliveries' }],
        everyMs,
        round: (owner, signal) => this.round(owner, signal),
      },
      ports,
    );
  }

  start(): void {
    this.loop.start();
  }

  /** Stops and waits for the current round. */
  stop(): Promise<void> {
    return this.loop.stop();
  }

  /** Is fenced, too, when somebody has replayed a delivery meanwhile. */
  private async round(owner: Ownership, signal: AbortSignal): Promise<void> {
    const { deliveries, log } = this.ports;
    const { hook, readBy } = this.options;
    if (this.retriedAs !== owner.epoch) {
      const again = await deliveries.retryFailed(owner, hook.name, readBy);
      if (again > 0) log.info({ hook: hook.name, deliveries: again }, 'deliveries are read again');
      this.retriedAs = owner.epoch;
    }
    for (let more = true; more && !signal.aborted;) {
      const { waiting, hasMore } = await deliveries.waiting(hook.name);
      await this.take(owner, waiting, signal);
      more = hasMore;
    }
  }

  /** Reads deliveries and settles them, those together that were read within a short time. */
  private async take(owner: Ownership, waiting: readonly WaitingDelivery[], signal: AbortSignal): Promise<void> {
    const read: ReadDelivery[] = [];
    let sinceMs = performance.now();
    try {
      for (const delivery of waiting) {
        if (signal.aborted) return;
        read.push({ delivery, outcome: await this.outcomeOf(delivery) });
        // A parser may take its time, and nobody is to wait for the delivery behind him.
        if (performance.now() - sinceMs < TOGETHER_MS) continue;
        await this.settle(owner, read.splice(0));
        sinceMs = performance.now();
      }
    } finally {
      await this.settle(owner, read.splice(0));
    }
  }

  private async settle(owner: Ownership, read: readonly ReadDelivery[]): Promise<void> {
    if (read.length === 0) return;
    try {
      await this.settleTogether(owner, read);
    } catch (error) {
      // A change may be more than the database takes, or somebody has replayed a delivery. One such delivery must not hold up the others.
      if (!(error instanceof UserError || error instanceof FencedError)) throw error;
      if (read.length > 1) for (const one of read) await this.settle(owner, [one]);
      else if (error instanceof FencedError) throw error;
      else await this.settleTogether(owner, [{ delivery: read[0]!.delivery, outcome: failed(error) }]);
    }
  }

  private async settleTogether(owner: Ownership, read: readonly ReadDelivery[]): Promise<void> {
    const { deliveries, hints: bus, log } = this.ports;
    const { hook, readBy } = this.options;
    const { changeIds, askedMasterIds } = await deliveries.settle(owner, read, readBy);
    for (const id of changeIds) bus.publish(hints.change(id));
    for (const masterId of askedMasterIds) bus.publish(hints.command(masterId));
    for (const { delivery, outcome } of read) {
      const { deliveryId } = delivery;
      if (outcome.kind === 'failed')
        log.warn({ hook: hook.name, delivery: deliveryId, reason: outcome.reason }, 'a delivery cannot be read');
      bus.publish(hints.delivery(deliveryId, 'updated'));
    }
  }

  /** Reads a delivery. What cannot be read now or later becomes its outcome; an error that may go away is thrown. */
  private async outcomeOf(delivery: WaitingDelivery): Promise<DeliveryOutcome> {
    const { hook, call, codebases } = this.options;
    const { headers, body, query } = delivery;
    const given: Delivery = { headers, body, query };
    const dialect = hookDialect(hook.dialect);
    try {
      let reading = dialect.read(hook, given);
      if (reading.kind === 'ask') {
        const answer = await call({ handle: reading.handle, value: reading.value });
        if ('failed' in answer) return { kind: 'failed', reason: answer.failed };
        reading = dialect.read(hook, given, answer.value);
        if (reading.kind === 'ask') return { kind: 'failed', reason: 'the dialect asks without end' };
      }
      if (reading.kind !== 'changes') return reading;
      return {
        kind: 'changes',
        changes: reading.changes.map((change, i) => newChange(delivery, change, { at: i, codebases })),
      };
    } catch (error) {
      // The configuration's thread is being ended: somebody else reads the delivery.
      if (error instanceof OperationalError) throw error;
      return failed(error);
    }
  }
}

function failed(error: unknown): DeliveryOutcome {
  return { kind: 'failed', reason: printable(messageOf(error)) };
}

/** A change is recognised when the delivery is read again, whatever else the delivery is found to hold then. */
function newChange(
  { hook, deliveryKey, generation, receivedAtMs }: WaitingDelivery,
  { parent, ...change }: HookChange,
  { at, codebases }: { readonly at: number; readonly codebases: readonly CompiledCodebase[] },
): NewChange {
  const { branch, revision, repository, codebase } = change;
  const isRecorded = codebases.some(({ name, project }) => name === codebase && project === change.project);
  return {
    ...change,
    ...(isRecorded && parent !== undefined && { parent }),
    dedupKey: JSON.stringify(['hook', hook, deliveryKey, generation, repository, codebase, branch, revision ?? at]),
    whenMs: change.whenMs ?? receivedAtMs,
    properties: propertiesFrom(change.properties, 'Change'),
  };
}
