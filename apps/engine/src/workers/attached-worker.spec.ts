import { describe, expect, it } from '@jest/globals';
import { MsgpackMasterSession } from '@millrace/worker-protocol';
import { AttachedWorker } from './attached-worker.js';

/** A worker of two slots, and what it was sent. */
function attached(): { worker: AttachedWorker; sent: string[] } {
  const sent: string[] = [];
  const session = new MsgpackMasterSession({
    send: (frame) => sent.push(Buffer.from(frame).toString('latin1')),
    close: () => undefined,
    bufferedBytes: () => 0,
  });
  return { worker: new AttachedWorker(1, 'w', 2, session, 1, () => undefined), sent };
}

describe('AttachedWorker', () => {
  it('has the slots that its builds leave, and none while it is paused', () => {
    const { worker } = attached();
    expect(worker.freeSlots).toBe(2);
    worker.goesOnWith(7, 1);
    expect(worker.freeSlots).toBe(1);
    worker.paused = true;
    expect(worker.freeSlots).toBe(0);
  });

  it('takes nothing more once it wants to leave, and is shut down when its last build has ended', () => {
    const { worker, sent } = attached();
    worker.goesOnWith(7, 1);
    worker.goesOnWith(8, 2);
    worker.leave();
    expect(worker.freeSlots).toBe(0);
    worker.release(7);
    expect(sent).toEqual([]);
    worker.release(8);
    expect(sent).toEqual([expect.stringContaining('shutdown')]);
    expect(worker.freeSlots).toBe(0);
  });

  it('has no slots that other engines’ builds take, and none at all while it is in doubt', () => {
    const { worker } = attached();
    worker.countBuilds([3]);
    expect(worker.freeSlots).toBe(1);
    worker.claimLost(9);
    expect(worker.freeSlots).toBe(0);
    worker.unsure = false;
    worker.countBuilds([3, 4, 5, 6, 7]);
    expect(worker.freeSlots).toBe(0);
  });

  it('may stay until it has been told to leave', () => {
    const { worker, sent } = attached();
    worker.goesOnWith(7, 1);
    worker.leave();
    worker.stay();
    worker.release(7);
    expect(sent).toEqual([]);
    expect(worker.freeSlots).toBe(2);
    worker.leave();
    worker.stay();
    expect(sent).toHaveLength(1);
    expect(worker.freeSlots).toBe(0);
  });

  it('has been shut down, too, when it ends without an answer', async () => {
    const { worker } = attached();
    const told = new Promise<void>((resolve) => (worker.events = { ...worker.events, shutDown: resolve }));
    worker.leave();
    (worker.connection as MsgpackMasterSession).closed('it ended');
    await told;
  });

  it('ends at once when it is killed, whatever it builds', () => {
    const { worker, sent } = attached();
    worker.goesOnWith(7, 1);
    worker.kill('enough');
    worker.kill('again');
    expect(sent).toEqual([expect.stringContaining('shutdown')]);
    expect(worker.freeSlots).toBe(0);
  });

  it('is not shut down while a build is being claimed for it', () => {
    const { worker, sent } = attached();
    worker.reserve(9, 1);
    worker.leave();
    expect(sent).toEqual([]);
    worker.claimWon({ requestId: 9, buildId: 7, builderId: 1 });
    expect(sent).toEqual([]);
    worker.release(7);
    expect(sent).toHaveLength(1);
  });

  it('is shut down at once when it wants to leave and is idle', () => {
    const { worker, sent } = attached();
    worker.leave();
    expect(sent).toHaveLength(1);
  });
});
