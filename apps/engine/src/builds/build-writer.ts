import { type Hint, hints } from '@millrace/contracts';
import type { BuildEntry, BuildKey, Committed, Journal } from '@millrace/database';
import { FencedError } from '@millrace/domain';

export interface BuildWriterOptions {
  readonly key: BuildKey;
  readonly journal: Journal;
  readonly publish: (hint: Hint) => void;
  readonly onFenced: () => void;
  /** Called when something could not be written and never will be. */
  readonly onBroken: (error: unknown) => void;
  /** Whether anything more is to be written for the steps. */
  readonly isGoing: () => boolean;
}

/** Writes to the journal what happens in one build, and hints at what was committed. The first write that is fenced off is the last (I3). */
export class BuildWriter {
  private fenced = false;

  constructor(private readonly options: BuildWriterOptions) {}

  get isFenced(): boolean {
    return this.fenced;
  }

  /** Checks that the build is ours and going on. When it is not, its runner ends it. */
  assertGoing(): void {
    if (this.fenced || !this.options.isGoing()) throw new FencedError(`build ${this.options.key.buildId}`);
  }

  /** Writes entries that the step waits for. */
  async now(entries: readonly BuildEntry[]): Promise<void> {
    this.assertGoing();
    await this.write(entries);
  }

  /** Writes entries at once, whether or not the build is going on. */
  write(entries: readonly BuildEntry[]): Promise<void> {
    const { journal, key } = this.options;
    return this.announced(journal.write(key, entries));
  }

  /** Writes entries that only a worker waits for. */
  stored(entries: readonly BuildEntry[]): Promise<void> {
    const { journal, key } = this.options;
    return this.announced(journal.writeSoon(key, entries));
  }

  /** Writes entries that nobody waits for. If the build is fenced off, it is noticed here all the same. */
  soon(entries: readonly BuildEntry[]): void {
    this.assertGoing();
    const { journal, key } = this.options;
    this.report(entries, journal.writeSoon(key, entries));
  }

  /** Writes entries at once that the step does not wait for, but somebody else does. */
  unawaited(entries: readonly BuildEntry[], onWritten: () => void): void {
    const { journal, key } = this.options;
    this.report(entries, journal.write(key, entries), onWritten);
  }

  /** Commits the last entry of the build here. Returns null when the build was no longer ours. */
  async last(entry: BuildEntry): Promise<Committed | null> {
    const { journal, key } = this.options;
    try {
      return await journal.write(key, [entry]);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      return null;
    } finally {
      journal.forget(key.buildId);
    }
  }

  failed(error: unknown): void {
    if (!(error instanceof FencedError)) return this.options.onBroken(error);
    if (this.fenced) return;
    this.fenced = true;
    this.options.onFenced();
  }

  private async announced(written: Promise<Committed>): Promise<void> {
    try {
      this.announce(await written);
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  private report(
    entries: readonly BuildEntry[],
    written: Promise<Committed>,
    onWritten: () => void = () => undefined,
  ): void {
    const { key, publish } = this.options;
    written.then(
      (committed) => {
        this.announce(committed);
        if (entries.some((entry) => entry.kind === 'step-started' && entry.number === 0))
          publish(hints.build(key.buildId, 'update'));
        if (entries.some((entry) => entry.kind === 'properties')) publish(hints.buildProperties(key.buildId));
        onWritten();
      },
      (error: unknown) => this.failed(error),
    );
  }

  private announce(committed: Committed): void {
    const { key, publish } = this.options;
    for (const { stepId, event } of committed.steps) publish(hints.step(key.buildId, stepId, event));
    for (const { setId, event } of committed.testSets) publish(hints.testResultSet(setId, event));
    for (const { stepId, logId, event } of committed.logs) publish(hints.log(key.buildId, stepId, logId, event));
  }
}
