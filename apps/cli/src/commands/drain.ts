import { setTimeout as delay } from 'node:timers/promises';
import { ControlStore, masterNamed, openDatabase } from '@millrace/database';
import { UserError } from '@millrace/domain';

const LOOK_EVERY_MS = 500;

/** `millrace drain NAME`: asks a master to finish what it has and to end, and says how far it is until it has. */
export async function drain(databaseUrl: string, name: string, wait: boolean): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const before = await masterNamed(db, name);
    if (!before || before.state === 'stopped')
      throw new UserError('no-master', `no master '${name}' is running on this database`, { name });
    await new ControlStore(db).requestDrain(before.masterId);
    let said = '';
    const say = (text: string): void => {
      if (text !== said) process.stdout.write(`${text}\n`);
      said = text;
    };
    say(`${name}: asked to drain`);
    while (wait) {
      const now = await masterNamed(db, name);
      if (!now || now.epoch !== before.epoch || now.state === 'stopped') break;
      if (now.state === 'draining')
        say(`${name}: draining, ${now.builds} ${now.builds === 1 ? 'build' : 'builds'} left`);
      await delay(LOOK_EVERY_MS);
    }
    if (wait) say(`${name}: has ended`);
    return 0;
  } finally {
    await db.close();
  }
}
