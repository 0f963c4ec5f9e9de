import { expect, it } from '@jest/globals';
import { type Incarnation, MasterStore, openDatabase, OwnershipStore } from '@millrace/database';
import { onEveryDatabase, register } from './databases.js';

onEveryDatabase('ownerships', (get) => {
  it('that nobody ever had go to one of several masters, and to none without a lease', async () => {
    const { db, url } = get();
    const over = await register(db, 'scheduler');
    await new MasterStore(db).stop(over);
    const acquired = (store: OwnershipStore, me: Incarnation) => store.acquire('poller:new', me, true);
    await expect(acquired(new OwnershipStore(db), over)).rejects.toMatchObject({ code: 'fenced' });
    const masters = [await register(db, 'scheduler'), await register(db, 'scheduler'), await register(db, 'scheduler')];
    const connections = masters.map(() => openDatabase(url));
    try {
      const owners = await Promise.all(masters.map((me, i) => acquired(new OwnershipStore(connections[i]!), me)));
      expect(owners.filter((owner) => owner !== null)).toEqual([{ name: 'poller:new', epoch: 1 }]);
    } finally {
      for (const connection of connections) await connection.close();
    }
  });
});
