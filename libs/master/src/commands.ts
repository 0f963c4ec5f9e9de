import { hints } from '@millrace/contracts';
import { ControlStore, type MasterCommand, sabotaged } from '@millrace/database';
import { messageOf } from '@millrace/domain';
import type { CommandHandlers } from './command-handler.js';
import { Loop } from './loop.js';
import type { Master } from './master.js';

/** Carries out the command rows addressed to this master: on hint, and by poll for the hints that were lost (I1). */
export function commandLoop(
  master: Pick<Master, 'me' | 'db' | 'hints' | 'log' | 'settings'>,
  handlers: CommandHandlers,
): Loop {
  const store = new ControlStore(master.db);
  const carryOut = async (command: MasterCommand): Promise<void> => {
    const handler = handlers.get(command.kind);
    const result = handler
      ? await handler(command).catch((error: unknown) => `failed: ${messageOf(error)}`)
      : `failed: a ${master.settings.role} does not know '${command.kind}'`;
    if (result !== null) await store.finishCommand(command.id, result);
  };
  const reloads = new Set<number>();
  const loop = new Loop({
    name: 'commands',
    everyMs: sabotaged('poll') ? null : master.settings.pollIntervalMs,
    log: master.log,
    round: async () => {
      for (const command of await store.openCommands(master.me.masterId)) {
        if (reloads.has(command.id)) continue;
        if (command.kind !== 'reconfig') {
          await carryOut(command);
          continue;
        }
        // Loading may take its time; stopping a build or draining does not wait for that.
        reloads.add(command.id);
        void carryOut(command)
          .catch((error: unknown) => master.log.warn({ err: error }, `command ${command.id}: ${messageOf(error)}`))
          .finally(() => reloads.delete(command.id));
      }
    },
  });
  master.hints.subscribe(hints.command(master.me.masterId).topic, () => loop.nudge());
  return loop;
}
