import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { printable } from '@millrace/domain';
import { LOG, type Logger } from '@millrace/master';
import { type LoginFailure, LoginFailures, type Refusal } from '../core/login-failures.js';
import type { Connection } from './connections.js';

const SUM_UP_EVERY_MS = 60_000;

/** Connections that did not become sessions. They are counted, and logged as far as they are news. */
@Injectable()
export class Refusals implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly failures = new LoginFailures();
  private timer: NodeJS.Timeout | undefined;

  constructor(@Inject(LOG) private readonly log: Logger) {}

  /** The refusals, latest first. */
  get latest(): LoginFailure[] {
    return this.failures.snapshot();
  }

  total(reason: Refusal): number {
    return this.failures.total(reason);
  }

  /** @param name the name it gave; empty when it gave none */
  refused(reason: Refusal, name: string, connection: Connection | undefined, detail?: string): void {
    const from = connection?.address ?? '';
    if (!this.failures.record(reason, name, from, Date.now())) return;
    const shown = {
      ...(name && { worker: printable(name, 100) }),
      from,
      ...(detail !== undefined && { detail: printable(detail, 300) }),
    };
    this.log.warn({ reason, ...shown }, `worker refused: ${reason}`);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.sumUp(), SUM_UP_EVERY_MS);
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private sumUp(): void {
    const summary = this.failures.summary();
    if (summary) this.log.warn(summary, `${summary.count} more connections of workers were refused`);
  }
}
