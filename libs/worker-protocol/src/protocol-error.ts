import { OperationalError, printable } from '@millrace/domain';

const MESSAGE_CHARACTERS = 300;
const REMOTE_CHARACTERS = 1000;
const SHOWN_CHARACTERS = 100;

/**
 * Thrown when the other side breaks the protocol, so that the connection cannot be trusted any more. The message may be shown anywhere:
 * quoted values are shortened and have no control characters.
 */
export class ProtocolError extends OperationalError {
  constructor(message: string, fields: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super('worker-protocol', printable(message, MESSAGE_CHARACTERS), fields, options);
  }
}

/** Formats a value from the other side for a message: short, and without control characters. Contents of lists and maps are not shown. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${printable(value, SHOWN_CHARACTERS)}'`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === 'object' && value !== null) return 'a map';
  if (typeof value === 'bigint') return 'a number beyond 2^53';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === null ? 'nil' : `a ${typeof value}`;
}

/** Thrown when the other side answers a request with an exception. The message is the other side's. */
export class RemoteError extends OperationalError {
  constructor(op: string, message: string) {
    super('remote-exception', printable(`${op}: ${message}`, REMOTE_CHARACTERS), { op });
  }
}
