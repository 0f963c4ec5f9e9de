import { OperationalError } from '@millrace/domain';

/** Thrown when the other side sent something that the protocol does not allow; the connection cannot be trusted any more. */
export class ProtocolError extends OperationalError {
  constructor(message: string, fields: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super('worker-protocol', message, fields, options);
  }
}

/** Thrown when the other side answered a request with an exception; the message is the other side's. */
export class RemoteError extends OperationalError {
  constructor(op: string, message: string) {
    super('remote-exception', `${op}: ${message}`, { op });
  }
}
