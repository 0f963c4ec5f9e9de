import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { hints } from '@millrace/contracts';
import { CommandStore, type Incarnation, type MasterCommand, MasterStore } from '@millrace/database';
import { messageOf } from '@millrace/domain';
import { Hints } from './hints.js';
import type { Logger } from './logging.js';
import { Loop } from './loop.js';
import { type CommandHandler, commandHandlers, type CommandKind } from './on-command.js';
import { MasterPhase } from './phase.js';
import type { MasterSettings } from './settings.js';
import { LOG, ME, SETTINGS } from './tokens.js';

/** Carries out the command rows addressed to this master: on a hint, and by polling for the hints that were lost (I1). */
@Injectable()
export class Commands implements BeforeApplicationShutdown {
  private handlers: ReadonlyMap<CommandKind, CommandHandler> = new Map();
  private readonly reloads = new Set<number>();
  private reloading: Promise<string> = Promise.resolve('');
  private readonly loop: Loop;
  private onDrain: (work: Promise<unknown>) => void = () => undefined;

  constructor(
    private readonly store: CommandStore,
    private readonly masters: MasterStore,
    private readonly hints: Hints,
    private readonly phase: MasterPhase,
    private readonly discovery: DiscoveryService,
    @Inject(ME) private readonly me: Incarnation,
    @Inject(LOG) private readonly log: Logger,
    @Inject(SETTINGS) private readonly settings: MasterSettings,
  ) {
    this.loop = new Loop({
      name: 'commands',
      everyMs: settings.pollIntervalMs,
      log,
      round: () => this.round(),
    });
  }

  /**
   * Starts carrying out commands.
   * @param onDrain gets the promise of the work that a drain waits for
   */
  start(onDrain: (work: Promise<unknown>) => void): void {
    this.handlers = commandHandlers(this.discovery);
    this.onDrain = onDrain;
    this.hints.subscribe(hints.command(this.me.masterId).topic, () => this.loop.nudge());
    this.loop.start();
  }

  /** Loads the configuration again, one request after the other. Never rejects: an error becomes the answer. */
  reconfigure(): Promise<string> {
    this.reloading = this.reloading.then(() => this.reloadOnce());
    return this.reloading;
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  private async round(): Promise<void> {
    for (const command of await this.store.openCommands(this.me.masterId)) {
      if (this.reloads.has(command.id)) continue;
      if (command.kind !== 'reconfig') {
        await this.carryOut(command);
        continue;
      }
      // Loading may take long. Stopping a build or draining does not wait for it.
      this.reloads.add(command.id);
      void this.carryOut(command)
        .catch((error: unknown) => this.log.warn({ err: error }, `command ${command.id}: ${messageOf(error)}`))
        .finally(() => this.reloads.delete(command.id));
    }
  }

  private async carryOut(command: MasterCommand): Promise<void> {
    const result = await this.resultOf(command).catch((error: unknown) => `failed: ${messageOf(error)}`);
    if (result !== null) await this.store.finishCommand(command.id, result);
  }

  private async resultOf(command: MasterCommand): Promise<string | null> {
    if (command.kind === 'reconfig') return this.reconfigure();
    if (command.kind === 'drain') return this.drain();
    const handler = this.handlers.get(command.kind);
    if (!handler) return `failed: a ${this.settings.role} does not know '${command.kind}'`;
    return (await handler(command)) ?? null;
  }

  private async drain(): Promise<string> {
    if (this.phase.current !== 'running') return this.phase.current;
    this.phase.current = 'draining';
    await this.masters.setState(this.me, 'draining');
    this.hints.publish(hints.master(this.me.masterId, 'started'));
    this.log.info('draining: nothing new is taken');
    this.onDrain(this.handlers.get('drain')?.() ?? Promise.resolve());
    return 'draining';
  }

  private async reloadOnce(): Promise<string> {
    const handler = this.handlers.get('reconfig');
    if (!handler) return 'this master has no configuration of its own';
    try {
      const answer = (await handler()) ?? '';
      this.log.info({ answer }, 'reconfigured');
      this.hints.publish(hints.master(this.me.masterId, 'started'));
      return answer;
    } catch (error) {
      this.log.error({ err: error }, `reconfiguration refused, nothing was changed: ${messageOf(error)}`);
      return `refused: ${messageOf(error)}`;
    }
  }
}
