import { describe, expect, it } from '@jest/globals';
import { MsgpackMasterSession } from '@millrace/worker-protocol';
import { AttachedWorker, type WorkerStanding } from './attached-worker.js';

const READY: WorkerStanding = { isHeld: false, isLeaving: false, failures: 0 };

/** Returns a worker with two slots, the commands sent to it, and its events. */
function attached(): { worker: AttachedWorker; sent: string[]; said: string[] } {
  const sent: string[] = [];
  const session = new MsgpackMasterSession({
    send: (frame) => sent.push(Buffer.from(frame).toString('latin1')),
    close: () => undefined,
    bufferedBytes: () => 0,
  });
  const said: string[] = [];
  const worker = new AttachedWorker({
    ...{ workerId: 1, name: 'w', maxBuilds: 2, env: {}, tokenId: null, relay: null },
    ...{ connection: session, sessionEpoch: 1 },
    events: {
      disconnect: (reason) => said.push(`disconnect: ${reason}`),
      doubted: () => said.push('doubted'),
      recovered: () => said.push('recovered'),
      shutDown: () => said.push('shut down'),
    },
  });
  worker.know(READY);
  return { worker, sent, said };
}

describe('AttachedWorker', () => {
  it('has the slots that its builds leave, and none while it is paused', () => {
    const { worker } = attached();
    expect(worker.freeSlots).toBe(2);
    worker.goesOnWith(7, 1);
    expect(worker.freeSlots).toBe(1);
    worker.know({ ...READY, isHeld: true });
    expect(worker.freeSlots).toBe(0);
  });

  it('takes no more builds once it wants to leave, and is shut down when its last build has ended', () => {
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
    worker.know(READY);
    worker.countBuilds([3, 4, 5, 6, 7]);
    expect(worker.freeSlots).toBe(0);
  });

  it('may stay until it has been told to shut down', () => {
    const { worker, sent } = attached();
    worker.goesOnWith(7, 1);
    worker.leave();
    worker.know(READY);
    worker.release(7);
    expect(sent).toEqual([]);
    expect(worker.freeSlots).toBe(2);
    worker.leave();
    worker.know(READY);
    expect(sent).toHaveLength(1);
    expect(worker.freeSlots).toBe(0);
  });

  it('counts as shut down, too, when it ends without an answer', async () => {
    const { worker, said } = attached();
    worker.leave();
    (worker.connection as MsgpackMasterSession).closed('it ended');
    await new Promise((resolve) => setImmediate(resolve));
    expect(said).toEqual(['shut down']);
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

  it('has no slots before its row has been read', () => {
    const { worker } = attached();
    expect([worker.isUnsure, worker.freeSlots]).toEqual([false, 2]);
    worker.claimLost(9);
    expect([worker.isUnsure, worker.isDoubted, worker.freeSlots]).toEqual([true, true, 0]);
    worker.configure({ maxBuilds: 3, env: { A: 'b' } });
    worker.know(READY);
    expect([worker.isDoubted, worker.freeSlots, worker.env]).toEqual([false, 3, { A: 'b' }]);
  });

  it('has recovered when a build on it ends after failures, once, and while it is attached', () => {
    const { worker, said } = attached();
    const build = (): void => {
      worker.goesOnWith(7, 1);
      worker.release(7);
    };
    build();
    worker.know({ ...READY, failures: 2 });
    build();
    build();
    expect(said).toEqual(['recovered']);
    worker.know({ ...READY, failures: 1 });
    worker.detached();
    build();
    worker.claimLost(9);
    expect(said).toEqual(['recovered']);
  });

  it('is shut down at once when it wants to leave and is idle', () => {
    const { worker, sent } = attached();
    worker.leave();
    expect(sent).toHaveLength(1);
  });
});
