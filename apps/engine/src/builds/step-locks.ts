import { Inject, Injectable } from '@nestjs/common';
import { hints } from '@millrace/contracts';
import { type BuildKey, type LockAnswer, LockStore } from '@millrace/database';
import {
  type KnownLock,
  type LockAccess,
  type LockNeed,
  messageOf,
  OperationalError,
  printable,
  UserError,
} from '@millrace/domain';
import { type EngineSettings, Hints, LOG, type Logger, SETTINGS } from '@millrace/master';

/** A step that wants locks. */
export interface LockWish {
  readonly build: BuildKey;
  readonly step: number;
  readonly needs: readonly LockNeed[];
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Called with what the step waits for, whenever that is another thing. */
  readonly onWaiting: (text: string) => void;
}

export type LocksOutcome = Exclude<LockAnswer, { kind: 'waiting' }> & { readonly waitedMs: number };

/** The locks of steps. A step that waits is a row in the database, and asks again when a lock was released, and every now and then. */
@Injectable()
export class StepLocks {
  constructor(
    private readonly store: LockStore,
    private readonly hints: Hints,
    @Inject(SETTINGS) private readonly settings: EngineSettings,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  /**
   * Waits until the step has all its locks, or would wait for ever. Returns null when the waiting was ended; the step keeps its place until
   * `giveUp`.
   * @throws FencedError when the build is not ours any more
   */
  async take(wish: LockWish): Promise<LocksOutcome | null> {
    const lockIds = new Set(wish.needs.map(({ lockId }) => lockId));
    const begunMs = performance.now();
    let isReleased = false;
    let wake = (): void => undefined;
    const unsubscribe = this.hints.subscribe('locks', (_topic, { lockid }) => {
      if (!lockIds.has(Number(lockid))) return;
      isReleased = true;
      wake();
    });
    const stop = (): void => wake();
    wish.signal.addEventListener('abort', stop);
    try {
      for (let text = '', times = 0; !wish.signal.aborted; times++) {
        isReleased = false;
        const answer = await this.ask(wish);
        if (answer?.kind === 'deadlock') this.announce(wish.needs);
        if (answer && answer.kind !== 'waiting')
          return { ...answer, waitedMs: times === 0 ? 0 : Math.round(performance.now() - begunMs) };
        if (answer && answer.text !== text) wish.onWaiting((text = answer.text));
        if (isReleased || wish.signal.aborted) continue;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, this.settings.pollIntervalMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return null;
    } finally {
      unsubscribe();
      wish.signal.removeEventListener('abort', stop);
    }
  }

  /** Gives a step's place up, because it was stopped. */
  async giveUp({ build, step, needs }: Pick<LockWish, 'build' | 'step' | 'needs'>): Promise<void> {
    await this.store.giveUp(build, step);
    this.announce(needs);
  }

  /** Tells everybody that somebody has left these locks, or does not wait for them any more. */
  announce(needs: readonly LockNeed[]): void {
    for (const { lockId } of needs) this.hints.publish(hints.lock(lockId));
  }

  /** Returns null while the database is away: the step waits on. */
  private async ask({ build, step, needs }: LockWish): Promise<LockAnswer | null> {
    try {
      return await this.store.take(build, step, needs);
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      this.log.warn({ buildId: build.buildId, err: error }, `a step cannot ask for its locks: ${messageOf(error)}`);
      return null;
    }
  }
}

/** Most locks of a step. */
const MOST_LOCKS = 20;

/**
 * Returns the accesses that a step asks for. A step can send any message to the engine.
 * @throws UserError `bad-locks`
 */
export function checkedAccesses(accesses: unknown, known: ReadonlyMap<string, KnownLock>): LockAccess[] {
  const bad = (what: string): UserError => new UserError('bad-locks', `a step asks for ${what}`);
  if (!Array.isArray(accesses) || accesses.length > MOST_LOCKS) throw bad(`something else than ${MOST_LOCKS} locks`);
  return accesses.map((access: Partial<LockAccess> | null): LockAccess => {
    const { lock = '', mode, count = -1, property = null } = access ?? {};
    const name = `'${printable(String(lock), 200)}'`;
    const definition = known.get(lock)?.definition;
    if (!definition)
      throw bad(`the lock ${name}, which the configuration does not have: name it in the configuration's option locks`);
    const most = Math.max(definition.maxCount, ...Object.values(definition.maxCountForWorker));
    if ((mode !== 'exclusive' && mode !== 'counting') || !Number.isInteger(count) || count < 0 || count > most)
      throw bad(`${String(count)} units of the lock ${name}, of which there are ${most}`);
    return { lock, mode, count, property };
  });
}
