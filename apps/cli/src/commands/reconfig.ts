import { setTimeout as delay } from 'node:timers/promises';
import { type CommandStore, listActiveMasters, openDatabase, storesOf } from '@millrace/database';
import { say } from '../output.js';
import { recorded } from './recorded.js';

const PATIENCE_MS = 60_000;

/** Runs `millrace reconfig`: asks every scheduler and engine to read its configuration again, and prints each answer. */
export async function reconfig(databaseUrl: string): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const { audit, commands } = storesOf(db);
    const masters = (await listActiveMasters(db)).filter((master) => master.role !== 'ui');
    if (masters.length === 0) {
      process.stderr.write('No scheduler or engine is running on this database.\n');
      return 1;
    }
    const deed = { action: 'reconfig', target: 'masters', params: { masters: masters.map(({ name }) => name) } };
    const asked = await recorded(audit, deed, () =>
      Promise.all(
        masters.map(async (master) => ({ master, commandId: await commands.requestReconfig(master.masterId) })),
      ),
    );
    return await sayAnswers(
      commands,
      asked.map(({ master: { name }, commandId }) => ({ name, commandId })),
    );
  } finally {
    await db.close();
  }
}

/**
 * Prints the answers of masters that were asked to load their configuration again.
 * @returns the exit code
 */
export async function sayAnswers(
  commands: CommandStore,
  asked: readonly { readonly name: string; readonly commandId: number }[],
): Promise<number> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  let code = 0;
  for (const { name, commandId } of asked) {
    let result = await commands.commandResult(commandId);
    while (result === null && performance.now() < giveUpAt) {
      await delay(100);
      result = await commands.commandResult(commandId);
    }
    say(`${name}: ${result ?? 'no answer yet; it will do so when it comes back'}`);
    if (result === null || /^(refused|failed)/.test(result)) code = 1;
  }
  return code;
}
