import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditStore, type RecordedDeed } from '@millrace/database';
import { messageOf, UserError } from '@millrace/domain';
import { LOG, type Logger, Loop, SETTINGS, type UiSettings } from '@millrace/master';
import type { Caller } from '../resources/caller.js';

const HOUR_MS = 3_600_000;
/** Most entries that are kept. */
const MOST_ROWS = 1_000_000;

/** A command of somebody. */
export interface Command {
  readonly caller: Caller;
  readonly address: string;
  readonly action: string;
  /** Path of the resource. */
  readonly target: string;
  readonly params: object;
}

/** Records what people do: before it is done, and how it ended. Old entries are removed every hour. */
@Injectable()
export class AuditLog implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly pruning: Loop;

  constructor(
    private readonly store: AuditStore,
    @Inject(SETTINGS) settings: Pick<UiSettings, 'auditKeepMs'>,
    @Inject(LOG) private readonly log: Logger,
  ) {
    const limits = { keepMs: settings.auditKeepMs, mostRows: MOST_ROWS };
    const round = async (): Promise<void> => void (await store.prune(limits));
    this.pruning = new Loop({ name: 'audit', everyMs: HOUR_MS, round, log });
  }

  onApplicationBootstrap(): void {
    this.pruning.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.pruning.stop();
  }

  /**
   * Runs a command and records it. Without a record it is not run: one is there before, or `work` writes it in the transaction that does
   * everything.
   */
  async run<T>(
    command: Command,
    { recordsItself, work }: { readonly recordsItself: boolean; readonly work: (deed: RecordedDeed) => Promise<T> },
  ): Promise<T> {
    const deed = deedOf(command);
    const id = recordsItself ? null : await this.store.begun(deed);
    try {
      const result = await work(deed);
      if (id !== null) await this.atEnd({ auditid: id, outcome: 'done' }, () => this.store.ended(id, 'done'));
      return result;
    } catch (error) {
      const text = error instanceof UserError ? error.message : `internal error: ${messageOf(error)}`;
      await this.atEnd({ auditid: id, outcome: 'failed' }, () =>
        id === null ? this.store.failed(deed, text) : this.store.ended(id, 'failed', text),
      );
      throw error;
    }
  }

  /** Records what was refused to somebody who is known. Strangers, of whom there is no end, are not recorded. */
  async refused(command: Command, error: UserError): Promise<void> {
    if (command.caller.kind !== 'anonymous') await this.store.refused(deedOf(command), error.message);
  }

  async done(command: Command): Promise<void> {
    await this.store.done(deedOf(command));
  }

  /** What is done is done, whether or not its end can be recorded: an entry that was begun stays so then. */
  private async atEnd(said: object, record: () => Promise<void>): Promise<void> {
    try {
      await record();
    } catch (failure) {
      this.log.warn({ err: failure, ...said }, `the end of a command is not recorded: ${messageOf(failure)}`);
    }
  }
}

function deedOf({ caller, ...command }: Command): RecordedDeed {
  switch (caller.kind) {
    case 'anonymous':
      return { ...command, username: null, via: 'none', tokenId: null };
    case 'user':
      return { ...command, username: caller.account.username, via: 'session', tokenId: null };
    case 'token':
      return { ...command, username: caller.account.username, via: 'token', tokenId: caller.tokenId };
  }
}
