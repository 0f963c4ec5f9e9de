import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { OnCommand } from '@millrace/master';
import { Collapsing } from './collapsing/collapsing.js';
import type { Revision } from './configuration/revision.js';
import { SchedulerConfiguration } from './configuration/scheduler-configuration.js';
import { Hooks } from './hooks/hooks.js';
import { Schedulers } from './schedulers/schedulers.js';
import { Services } from './services/services.js';
import { ChangeSources } from './sources/change-sources.js';

/** Runs the configuration in force. A reconfiguration takes effect completely or not at all. */
@Injectable()
export class Scheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private stopped = false;

  constructor(
    private readonly configuration: SchedulerConfiguration,
    private readonly sources: ChangeSources,
    private readonly hooks: Hooks,
    private readonly schedulers: Schedulers,
    private readonly services: Services,
    private readonly collapsing: Collapsing,
  ) {}

  onApplicationBootstrap(): void {
    this.begin();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    await this.end(this.configuration.current);
  }

  /**
   * Reconfigures, one request at a time. Old and new pollers, hooks and schedulers are the same owner to the database, so the old ones have ended
   * before the new ones begin.
   */
  @OnCommand('reconfig')
  async reload(): Promise<string> {
    const before = await this.configuration.reload();
    const { current } = this.configuration;
    await this.end(before);
    if (this.stopped) await current.host.close();
    else this.begin();
    return `revision ${current.host.fingerprint.slice(0, 12)}`;
  }

  private begin(): void {
    const { current } = this.configuration;
    this.sources.begin(current);
    this.hooks.begin(current);
    this.schedulers.begin(current);
    this.services.begin(current);
    this.collapsing.begin(current);
  }

  /** Ends a revision. A running callback is aborted, and its change is looked at again. */
  private async end({ host }: Revision): Promise<void> {
    const parts = [this.sources, this.hooks, this.schedulers, this.services, this.collapsing];
    const ends = parts.map((part) => part.stop());
    await host.close();
    await Promise.all(ends);
  }
}
