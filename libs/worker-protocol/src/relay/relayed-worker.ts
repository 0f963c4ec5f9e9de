import { Frame } from '../frame.js';
import { encodeMasterRequest, encodeResponse, resultMap } from '../messages.js';
import { FEATURE_RESUME, parseWorkerInfo } from '../worker-info.js';

/**
 * A msgpack worker whose connection stays open while the engines behind it change. It translates the messages of both sides: an engine's
 * requests get numbers that no earlier engine has used, answers to earlier engines are dropped, and requests that a lost engine has not
 * answered are answered in its place.
 */
export class RelayedWorker {
  /** The number by which the worker knows request 0 of the current engine. */
  private base = 0;
  private nextSeq = 0;
  private readonly unanswered = new Set<number>();
  /** Ids of commands that were started and have not completed. */
  private readonly running = new Set<string>();
  private infoSeq = -1;
  private canResume = false;

  /**
   * Translates a message for the engine. Returns undefined for an answer to an earlier engine.
   * @throws ProtocolError
   */
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

  /**
   * Translates a message for the worker.
   * @throws ProtocolError
   */
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
   * Returns the messages that the worker gets in place of the lost engine's answers. Commands of a worker that cannot resume are
   * interrupted, because their builds will be tried again.
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
