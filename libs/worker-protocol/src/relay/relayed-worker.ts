import { Frame } from '../frame.js';
import { encodeMasterRequest, encodeResponse, resultMap } from '../messages.js';
import { FEATURE_RESUME, parseWorkerInfo } from '../worker-info.js';

/**
 * A msgpack worker whose connection stays while the engines behind it change: what each side says, made fit for the other. Requests of an engine
 * get numbers that no earlier one has used; answers to an earlier one are dropped; what an engine that is gone owes the worker is answered for it.
 */
export class RelayedWorker {
  /** The worker knows request 0 of the engine of today by this number. */
  private base = 0;
  private nextSeq = 0;
  private readonly unanswered = new Set<number>();
  /** Started and not completed. */
  private readonly running = new Set<string>();
  private infoSeq = -1;
  private canResume = false;

  /** What the engine is to get; undefined for an answer to an earlier one. @throws ProtocolError */
  toMaster(message: Uint8Array): Uint8Array | undefined {
    const frame = new Frame(message);
    if (frame.op !== 'response') {
      this.unanswered.add(frame.seq);
      if (frame.op === 'complete') this.running.delete(frame.text('command_id'));
      return message;
    }
    if (frame.seq < this.base) return undefined;
    if (frame.seq === this.infoSeq && !frame.has('is_exception')) {
      this.canResume = parseWorkerInfo(resultMap(frame.value('result'))).features.includes(FEATURE_RESUME);
    }
    return this.base === 0 ? message : frame.renumbered(frame.seq - this.base);
  }

  /** What the worker is to get. @throws ProtocolError */
  toWorker(message: Uint8Array): Uint8Array {
    const frame = new Frame(message);
    if (frame.op === 'response') {
      this.unanswered.delete(frame.seq);
      return message;
    }
    const seq = this.base + frame.seq;
    this.nextSeq = Math.max(this.nextSeq, seq + 1);
    if (frame.op === 'start_command') this.running.add(frame.text('command_id'));
    if (frame.op === 'get_worker_info') this.infoSeq = seq;
    return this.base === 0 ? message : frame.renumbered(seq);
  }

  /**
   * The engine is gone: what the worker is to get instead of its answers. Commands of a worker that cannot resume are interrupted, because their
   * builds will be tried again.
   */
  masterLost(): Uint8Array[] {
    const answers = [...this.unanswered].map((seq) =>
      encodeResponse({ seq, result: 'the engine behind the relay is gone', isException: true }),
    );
    const interrupts = (this.canResume ? [] : [...this.running]).map((commandId) =>
      encodeMasterRequest(this.nextSeq++, { op: 'interrupt_command', commandId, why: 'the engine is gone' }),
    );
    this.unanswered.clear();
    this.running.clear();
    this.base = this.nextSeq;
    return [...answers, ...interrupts];
  }
}
