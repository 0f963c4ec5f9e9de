import { OperationalError, printable } from '@millrace/domain';

const MESSAGE_CHARACTERS = 300;
const REMOTE_CHARACTERS = 1000;
const SHOWN_CHARACTERS = 100;

/**
 * Thrown when the other side sent something that the protocol does not allow; the connection cannot be trusted any more. Its message may be shown
 * anywhere: of what it quotes nothing is left that a terminal obeys, and no more than fits on some lines.
 */
export class ProtocolError extends OperationalError {
  constructor(message: string, fields: Readonly<Record<string, unknown>> = {}, options?: ErrorOptions) {
    super('worker-protocol', printable(message, MESSAGE_CHARACTERS), fields, options);
  }
}

/** What the other side sent, for a message about it: of bounded length, and safe whatever it is. Lists and maps are not looked into. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `'${printable(value, SHOWN_CHARACTERS)}'`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === 'object' && value !== null) return 'a map';
  if (typeof value === 'bigint') return 'a number beyond 2^53';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === null ? 'nil' : `a ${typeof value}`;
}

/** Thrown when the other side answered a request with an exception; the message is the other side's. */
export class RemoteError extends OperationalError {
  constructor(op: string, message: string) {
    super('remote-exception', printable(`${op}: ${message}`, REMOTE_CHARACTERS), { op });
  }
}
