import type { DynamicModule } from '@nestjs/common';
import type { Hint } from '@millrace/contracts';
import type { Database, Incarnation } from '@millrace/database';
import {
  Ambers,
  type BusState,
  DATABASE,
  type HintHandler,
  Hints,
  Lease,
  LOG,
  type Logger,
  MasterPhase,
  ME,
  SETTINGS,
  STORES,
} from '@millrace/master';
import { Registry } from 'prom-client';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A bus inside the process. Published hints are kept and delivered at once. */
export class LocalHints extends Hints {
  readonly published: Hint[] = [];
  private readonly handlers = new Set<{ readonly prefix: string; readonly handler: HintHandler }>();
  private readonly stateListeners = new Set<(state: BusState) => void>();
  private current: BusState = 'connected';

  get state(): BusState {
    return this.current;
  }

  set state(next: BusState) {
    this.current = next;
    for (const listener of this.stateListeners) listener(next);
  }

  publish(hint: Hint): void {
    this.published.push(hint);
    this.hear(hint);
  }

  /** Delivers a hint of another master. It is lost while the bus is away. */
  hear({ topic, payload }: Hint): void {
    if (this.current !== 'connected') return;
    for (const { prefix, handler } of this.handlers)
      if (prefix === '' || topic === prefix || topic.startsWith(`${prefix}.`)) handler(topic, payload);
  }

  subscribe(prefix: string, handler: HintHandler): () => void {
    const entry = { prefix, handler };
    this.handlers.add(entry);
    return () => this.handlers.delete(entry);
  }

  onState(listener: (state: BusState) => void): () => void {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  }
}

export interface TestMasterOptions {
  readonly db: Database;
  readonly me: Incarnation;
  readonly settings: object;
  readonly hints?: LocalHints;
  readonly metrics?: Registry;
  /** Receives everything that is logged. */
  readonly lines?: LogLine[];
  /** Whether rows of dead masters may be taken over. Default true. */
  readonly mayTakeOver?: () => boolean;
}

class TestMasterModule {}

/**
 * Provides what `MasterModule` does, for the modules of a role in a test: a real database, a bus inside the process, and a log that is
 * kept.
 */
export function testMaster(options: TestMasterOptions): DynamicModule {
  const { db, me, settings, lines = [], mayTakeOver = () => true } = options;
  const values = new Map<unknown, unknown>([
    [DATABASE, db],
    [ME, me],
    [SETTINGS, settings],
    [LOG, keptLog(lines)],
    [Hints, options.hints ?? new LocalHints()],
    [Lease, { mayTakeOver }],
    [Ambers, new Ambers()],
    [MasterPhase, new MasterPhase()],
    [Registry, options.metrics ?? new Registry()],
  ]);
  const providers = [...values].map(([provide, useValue]) => ({ provide: provide as symbol, useValue }));
  return {
    module: TestMasterModule,
    global: true,
    providers: [...STORES, ...providers],
    exports: [...STORES, ...providers].map(({ provide }) => provide),
  };
}

function keptLog(lines: LogLine[]): Logger {
  const to =
    (level: string) =>
    (fields: Record<string, unknown> | string, message?: string): void =>
      void lines.push(
        typeof fields === 'string' ? { level, message: fields, fields: {} } : { level, message: message ?? '', fields },
      );
  const log = {
    trace: to('trace'),
    debug: to('debug'),
    info: to('info'),
    warn: to('warn'),
    error: to('error'),
    fatal: to('fatal'),
    child: () => log,
  };
  return log as unknown as Logger;
}
