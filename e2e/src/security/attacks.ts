import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { eventually } from '@millrace/testing';

export const brackets = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly method?: string;
}

/**
 * Sends one request as a program does, with any headers.
 * @returns the status; 0 when the connection was ended without one
 */
export function send(
  url: string,
  { headers = {}, body, method = body === undefined ? 'GET' : 'POST' }: Sent = {},
): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      response.resume();
      response.on('close', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', () => resolve(0));
    sent.end(body);
  });
}

/**
 * Sends frames over one WebSocket and waits until it is answered or ended.
 * @returns whether it could be opened at all
 */
export async function sendFrames(
  url: string,
  frames: readonly (string | Buffer)[],
  options: { readonly protocol?: string; readonly origin?: string } = {},
): Promise<boolean> {
  const socket = new WebSocket(url, options.protocol ? [options.protocol] : [], {
    perMessageDeflate: false,
    ...(options.origin ? { origin: options.origin } : {}),
  });
  const ended = once(socket, 'close').catch(() => undefined);
  const opened = await once(socket, 'open').then(
    () => true,
    () => false,
  );
  if (!opened) return false;
  socket.on('error', () => undefined);
  for (const frame of frames) if (socket.readyState === WebSocket.OPEN) socket.send(frame);
  // The pong comes after everything sent before it has been handled.
  const answered = once(socket, 'pong');
  if (socket.readyState === WebSocket.OPEN) socket.ping();
  await Promise.race([answered.catch(() => undefined), ended]);
  socket.terminate();
  return true;
}

/** Opens a connection that sends the given bytes and then nothing more. */
export async function silent(port: number, bytes = ''): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  if (bytes !== '') socket.write(bytes);
  return socket;
}

/** Waits until the other end has closed all of them. */
export async function untilClosed(sockets: readonly Socket[], timeoutMs: number): Promise<void> {
  for (const socket of sockets) socket.resume();
  await eventually(() => sockets.every((socket) => socket.closed), {
    timeoutMs,
    intervalMs: 100,
    what: `the end of ${sockets.length} silent connections`,
  });
}
