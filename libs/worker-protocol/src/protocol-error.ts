import { inspect } from 'node:util';
import { OperationalError } from '@millrace/domain';

/** Thrown when the other side sent something that the protocol does not allow; the connection cannot be trusted any more. */
export class ProtocolError extends OperationalError {
  constructor(message: string, fields: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super('worker-protocol', message, fields, options);
  }
}

/** What the other side sent, for a message about it: of bounded length, and safe whatever it is. */
export function shown(value: unknown): string {
  return inspect(value, { depth: 1, maxArrayLength: 5, maxStringLength: 100, breakLength: Infinity }).slice(0, 500);
}

/** Thrown when the other side answered a request with an exception; the message is the other side's. */
export class RemoteError extends OperationalError {
  constructor(op: string, message: string) {
    super('remote-exception', `${op}: ${message}`, { op });
  }
}
