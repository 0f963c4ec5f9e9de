import { setTimeout as delay } from 'node:timers/promises';
import { masterNamed, openDatabase, storesOf } from '@millrace/database';
import { UserError } from '@millrace/domain';
import { say } from '../output.js';
import { recorded } from './recorded.js';

const LOOK_EVERY_MS = 500;

/** Runs `millrace drain NAME`: asks a master to finish its running work and end, and prints the progress until it has. */
export async function drain(databaseUrl: string, name: string, wait: boolean): Promise<number> {
  const db = openDatabase(databaseUrl, { connections: 1 });
  try {
    const before = await masterNamed(db, name);
    if (!before || before.state === 'stopped')
      throw new UserError('no-master', `no master '${name}' is running on this database`, { name });
    const { audit, commands } = storesOf(db);
    const deed = { action: 'drain', target: `masters/${name}` };
    await recorded(audit, deed, () => commands.requestDrain(before.masterId));
    let said = '';
    const sayOnce = (text: string): void => {
      if (text !== said) say(text);
      said = text;
    };
    sayOnce(`${name}: asked to drain`);
    while (wait) {
      const now = await masterNamed(db, name);
      if (!now || now.epoch !== before.epoch || now.state === 'stopped') break;
      if (now.state === 'draining')
        sayOnce(`${name}: draining, ${now.builds} ${now.builds === 1 ? 'build' : 'builds'} left`);
      await delay(LOOK_EVERY_MS);
    }
    if (wait) sayOnce(`${name}: has ended`);
    return 0;
  } finally {
    await db.close();
  }
}
