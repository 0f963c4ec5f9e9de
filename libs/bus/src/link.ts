import type { Hint } from './hint-queue.js';
import type { BusPayload, ProcedureHandler } from './port.js';

/** Undoes a subscription or registration on the wire. */
export type Unbind = () => Promise<void>;

/**
 * One connected session with a broker, from dialled to lost; topics and procedures without the configured prefix. What is still
 * pending when the link is lost never has to settle: its user rejects it.
 */
export interface Link {
  /** Resolves when the broker has taken the hints, to how many could not be sent (too big, not JSON, not allowed). */
  publish(hints: readonly Hint[]): Promise<number>;
  /** May deliver topics that merely start with `prefix`; payloads are unchecked. */
  subscribe(prefix: string, onHint: (topic: string, payload: unknown) => void): Promise<Unbind>;
  register(procedure: string, handler: ProcedureHandler): Promise<Unbind>;
  /** @throws OperationalError `bus-no-such-procedure`, `bus-call-failed`, `bus-disconnected` */
  call(procedure: string, args: BusPayload, timeoutMs: number): Promise<unknown>;
  /** Ends the link, which is not a loss. Does not throw. */
  close(): Promise<void>;
}

/** Connects; `onLost` is told when the link has ended other than by `close`. */
export type Dial = (onLost: (reason: string) => void) => Promise<Link>;
