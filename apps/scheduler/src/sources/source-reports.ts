import { Inject, Injectable } from '@nestjs/common';
import { ChangeSourceStore, type Ownership, type SourceState } from '@millrace/database';
import { FencedError } from '@millrace/domain';
import { Ambers, LOG, type Logger } from '@millrace/master';
import { Counter, Gauge, Registry } from 'prom-client';
import { failureText } from '../core/source-text.js';

const SAY_AGAIN_MS = 600_000;

/**
 * The states of the change sources that this master polls. They are shown in the database (for pages and the API), in `/readyz`, in metrics
 * and in the log.
 */
@Injectable()
export class SourceReports {
  private readonly reports = new Map<string, SourceReport>();
  private readonly failures: Counter<'source'>;

  constructor(
    private readonly store: ChangeSourceStore,
    private readonly ambers: Ambers,
    metrics: Registry,
    @Inject(LOG) private readonly log: Logger,
  ) {
    const registers = [metrics];
    this.failures = new Counter({
      name: 'millrace_change_source_failures_total',
      help: 'Polls of a change source that failed at this scheduler',
      labelNames: ['source'],
      registers,
    });
    const reports = this.reports;
    new Gauge({
      name: 'millrace_change_source_failing',
      help: '1 while a change source that this scheduler polls cannot be polled, else 0',
      labelNames: ['source'],
      registers,
      collect() {
        this.reset();
        for (const [source, { state }] of reports)
          if (state !== null) this.set({ source }, state === 'failing' ? 1 : 0);
      },
    });
  }

  /** Returns the report of one change source. */
  of(source: string): SourceReport {
    const { store, ambers, failures, log } = this;
    const report = new SourceReport(source, { store, ambers, failures, log });
    this.reports.set(source, report);
    return report;
  }

  /** Called when this master polls no change source any more. */
  leave(): void {
    for (const report of this.reports.values()) report.leave();
    this.reports.clear();
  }
}

interface ReportPorts {
  readonly store: ChangeSourceStore;
  readonly ambers: Ambers;
  readonly failures: Counter<'source'>;
  readonly log: Logger;
}

/** The state of one change source. */
export class SourceReport {
  private said: { readonly text: string; readonly atMs: number } | null = null;
  private stored: string | null = null;
  private current: SourceState | null = null;

  constructor(
    private readonly source: string,
    private readonly ports: ReportPorts,
  ) {}

  /** Null when another master polls the change source, or it has not been polled yet. */
  get state(): SourceState['state'] | null {
    return this.current?.state ?? null;
  }

  /**
   * Records a poll.
   * @param error what is left out; null for nothing
   */
  async polled(owner: Ownership, error: string | null): Promise<void> {
    const { log } = this.ports;
    if (this.state === 'failing') log.info({ source: this.source }, 'the change source can be polled again');
    if (error === null) this.said = null;
    else this.say(error, null);
    await this.become(owner, error === null ? { state: 'ok' } : { state: 'partial', error });
  }

  async failed(owner: Ownership, error: unknown): Promise<void> {
    const text = failureText(error);
    this.ports.failures.inc({ source: this.source });
    this.say(`poll failed: ${text}`, error);
    await this.become(owner, { state: 'failing', error: text });
  }

  /** Called when another master polls the change source. */
  leave(): void {
    this.ports.ambers.set(this.what, null);
    this.current = this.stored = this.said = null;
  }

  private get what(): string {
    return `change source '${this.source}'`;
  }

  private async become(owner: Ownership, now: SourceState): Promise<void> {
    const { ambers, store, log } = this.ports;
    this.current = now;
    ambers.set(this.what, now.state === 'failing' ? now.error : null);
    const known = JSON.stringify([owner.epoch, now]);
    if (this.stored === known) return;
    try {
      await store.setState(owner, this.source, now);
      this.stored = known;
    } catch (error) {
      if (error instanceof FencedError) return this.leave();
      // The database is away, which is reported elsewhere. The next poll records the state again.
      log.debug({ source: this.source, err: error }, 'the state of a change source could not be stored');
    }
  }

  /** Logs an error now and then, not at every poll. */
  private say(text: string, error: unknown): void {
    const atMs = performance.now();
    if (this.said?.text === text && atMs - this.said.atMs < SAY_AGAIN_MS) return;
    this.said = { text, atMs };
    this.ports.log.warn({ repository: this.source, ...(error === null ? {} : { err: error }) }, text);
  }
}
