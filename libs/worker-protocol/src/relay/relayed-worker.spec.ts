import { describe, expect, it } from '@jest/globals';
import {
  decodeMasterMessage,
  decodeWorkerMessage,
  encodeMasterRequest,
  encodeResponse,
  encodeWorkerRequest,
} from '../messages.js';
import { RelayedWorker } from './relayed-worker.js';

const ask = (seq: number, op: 'keepalive' | 'get_worker_info' = 'keepalive'): Uint8Array =>
  encodeMasterRequest(seq, { op });
const start = (seq: number, commandId: string): Uint8Array =>
  encodeMasterRequest(seq, { op: 'start_command', commandId, commandName: 'shell', args: {} });
const answer = (seq: number, result: unknown = null): Uint8Array => encodeResponse({ seq, result, isException: false });
const complete = (seq: number, commandId: string): Uint8Array =>
  encodeWorkerRequest(seq, { op: 'complete', commandId, failure: null });

describe('a worker behind a relay', () => {
  it('exchanges unchanged messages with its first engine', () => {
    const worker = new RelayedWorker();
    for (const message of [ask(0), start(1, 'c1')]) expect(worker.toWorker(message)).toBe(message);
    const said = complete(0, 'c1');
    expect(worker.toMaster(said)).toBe(said);
    expect(worker.toMaster(answer(1))).toEqual(answer(1));
    worker.toWorker(answer(0));
    expect(worker.masterLost()).toEqual([]);
  });

  it("is answered in place of a lost engine; its answers to that engine are dropped, and the next engine's numbers are translated", () => {
    const worker = new RelayedWorker();
    worker.toWorker(ask(0, 'get_worker_info'));
    worker.toMaster(answer(0, { millrace_features: ['resume'] }));
    worker.toWorker(start(1, 'c1'));
    worker.toWorker(ask(2));
    worker.toMaster(complete(7, 'c2'));
    expect(worker.masterLost().map(decodeMasterMessage)).toEqual([
      { op: 'response', seq: 7, result: 'the engine behind the relay is gone', isException: true },
    ]);
    expect(decodeMasterMessage(worker.toWorker(ask(0)))).toMatchObject({ op: 'keepalive', seq: 3 });
    expect(worker.toMaster(answer(2))).toBeUndefined();
    expect(decodeWorkerMessage(worker.toMaster(answer(3, 'x'))!)).toMatchObject({ seq: 0, result: 'x' });
    expect(decodeMasterMessage(worker.toWorker(ask(300)))).toMatchObject({ seq: 303 });
    expect(decodeWorkerMessage(worker.toMaster(answer(303))!)).toMatchObject({ seq: 300 });
  });

  it('has its commands interrupted when it cannot resume them', () => {
    const worker = new RelayedWorker();
    worker.toWorker(ask(0, 'get_worker_info'));
    worker.toMaster(answer(0, { version: '4.3.0' }));
    worker.toWorker(start(1, 'c1'));
    worker.toWorker(start(2, 'c2'));
    worker.toMaster(complete(0, 'c1'));
    worker.toWorker(answer(0));
    const told = worker.masterLost().map(decodeMasterMessage);
    expect(told).toMatchObject([{ op: 'interrupt_command', seq: 3, commandId: 'c2' }]);
    expect(worker.toMaster(answer(3))).toBeUndefined();
    expect(decodeMasterMessage(worker.toWorker(ask(0)))).toMatchObject({ seq: 4 });
  });
});
