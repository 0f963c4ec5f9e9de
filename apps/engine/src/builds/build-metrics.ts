import { Injectable } from '@nestjs/common';
import { Journal } from '@millrace/database';
import { Counter, Gauge, Registry } from 'prom-client';
import { RunningBuilds } from './running-builds.js';

/** The metrics of builds and their journal. */
@Injectable()
export class BuildMetrics {
  constructor(metrics: Registry, builds: RunningBuilds, journal: Journal) {
    const registers = [metrics];
    const counter = (name: string, help: string, value: () => number): void => {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    };
    new Gauge({
      name: 'millrace_builds_running',
      help: 'Builds that run on this engine',
      registers,
      collect() {
        this.set(builds.size);
      },
    });
    new Gauge({
      name: 'millrace_builds_asleep',
      help: 'Builds of this engine that wait for other builds, without a thread',
      registers,
      collect() {
        this.set(builds.asleep);
      },
    });
    counter(
      'millrace_builds_adopted_total',
      'Builds that went on here after they had lost their engine or their worker its connection',
      () => builds.stats.adopted,
    );
    counter(
      'millrace_journal_transactions_total',
      'Transactions of the build journal',
      () => journal.stats.transactions,
    );
    counter(
      'millrace_journal_entries_total',
      'Groups of entries written through the build journal',
      () => journal.stats.entries,
    );
  }
}
