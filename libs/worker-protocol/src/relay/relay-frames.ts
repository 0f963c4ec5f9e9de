import { MsgpackReader } from '../msgpack-reader.js';
import { encodeMessage } from '../msgpack-writer.js';
import { ProtocolError } from '../protocol-error.js';
import { isRecord } from '../frame.js';
import { WORKER_LIMITS } from '../limits.js';

/** A relay's information about a worker that wants to connect to an engine. */
export interface RelayOpening {
  readonly protocol: 'msgpack' | 'pb';
  /** The worker's own `Authorization` header. Null for PB workers, which log in on their connection. */
  readonly authorization: string | null;
  /** The worker's address as the relay sees it. */
  readonly remoteAddress: string;
}

/**
 * A frame between a relay and an engine, one per WebSocket message: the kind in one byte, the channel in four, then the rest. The relay
 * opens channels and numbers them; each number is used once. `data` is a WebSocket message of the worker (msgpack) or bytes (PB).
 */
export type RelayFrame =
  | { readonly kind: 'open'; readonly channel: number; readonly opening: RelayOpening }
  | { readonly kind: 'accept'; readonly channel: number }
  | { readonly kind: 'data'; readonly channel: number; readonly data: Uint8Array }
  /** Allows the other side to send this many bytes more. */
  | { readonly kind: 'credit'; readonly channel: number; readonly bytes: number }
  /** `status` is the HTTP status for a refused worker, otherwise 0. */
  | { readonly kind: 'close'; readonly channel: number; readonly status: number; readonly reason: string };

const KINDS = ['open', 'accept', 'data', 'credit', 'close'] as const;
const HEADER_BYTES = 5;
const MAX_REASON_BYTES = 500;

export function encodeRelayFrame(frame: RelayFrame): Uint8Array {
  const rest = encodeRest(frame);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + rest.length);
  bytes[0] = KINDS.indexOf(frame.kind) + 1;
  bytes.writeUInt32BE(frame.channel, 1);
  bytes.set(rest, HEADER_BYTES);
  return bytes;
}

function encodeRest(frame: RelayFrame): Uint8Array {
  switch (frame.kind) {
    case 'open':
      return encodeMessage({ ...frame.opening });
    case 'accept':
      return new Uint8Array();
    case 'data':
      return frame.data;
    case 'credit':
      return uint32(frame.bytes);
    case 'close':
      return Buffer.concat([uint32(frame.status), Buffer.from(frame.reason)]);
  }
}

/**
 * Decodes a frame.
 * @throws ProtocolError
 */
export function decodeRelayFrame(message: Uint8Array): RelayFrame {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const kind = KINDS[(bytes[0] ?? 0) - 1];
  if (kind === undefined || bytes.length < HEADER_BYTES) throw new ProtocolError('a relay frame has no known kind');
  const channel = bytes.readUInt32BE(1);
  const rest = bytes.subarray(HEADER_BYTES);
  switch (kind) {
    case 'open':
      return { kind, channel, opening: readOpening(rest) };
    case 'accept':
      return { kind, channel };
    case 'data':
      return { kind, channel, data: rest };
    case 'credit':
      return { kind, channel, bytes: readUint32(rest) };
    case 'close':
      return { kind, channel, status: readUint32(rest), reason: rest.toString('utf8', 4, 4 + MAX_REASON_BYTES) };
  }
}

function readOpening(bytes: Uint8Array): RelayOpening {
  const { openingBytes, authorizationCharacters, addressCharacters } = WORKER_LIMITS;
  if (bytes.length > openingBytes) {
    throw new ProtocolError(`a relay opens a channel with ${bytes.length} bytes; ${openingBytes} are the most`);
  }
  const value = new MsgpackReader(bytes).value();
  const { protocol, authorization, remoteAddress } = isRecord(value) ? value : {};
  if (
    (protocol !== 'msgpack' && protocol !== 'pb') ||
    (authorization !== null && (typeof authorization !== 'string' || authorization.length > authorizationCharacters)) ||
    typeof remoteAddress !== 'string' ||
    remoteAddress.length > addressCharacters ||
    !/^[\w.:%-]*$/.test(remoteAddress)
  ) {
    throw new ProtocolError('a relay opens a channel without saying for whom');
  }
  return { protocol, authorization, remoteAddress };
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function readUint32(bytes: Buffer): number {
  if (bytes.length < 4) throw new ProtocolError('a relay frame ends within a number');
  return bytes.readUInt32BE();
}
