import type { Hint } from './hint-queue.js';
import type { BusPayload, ProcedureHandler } from './port.js';

/** Undoes a subscription or registration on the wire. */
export type Unbind = () => Promise<void>;

/**
 * One connected session with a broker, from dialled to lost. Topics and procedures come without the configured prefix. What is pending when
 * the link is lost need not settle: the user of the link rejects it.
 */
export interface Link {
  /** Publishes hints. Resolves when the broker has taken them, to the number that could not be sent (too big, not JSON, not allowed). */
  publish(hints: readonly Hint[]): Promise<number>;
  /** Subscribes to topics. It may also deliver topics that merely start with the text `prefix`; payloads are unchecked. */
  subscribe(prefix: string, onHint: (topic: string, payload: unknown) => void): Promise<Unbind>;
  register(procedure: string, handler: ProcedureHandler): Promise<Unbind>;
  /**
   * Calls a procedure.
   * @throws OperationalError `bus-no-such-procedure`, `bus-call-failed`, `bus-disconnected`
   */
  call(procedure: string, args: BusPayload, timeoutMs: number): Promise<unknown>;
  /** Ends the link on purpose: `onLost` is not called. Does not throw. */
  close(): Promise<void>;
}

/** Connects to the broker. `onLost` is called when the link ends other than by `close`. */
export type Dial = (onLost: (reason: string) => void) => Promise<Link>;
