import { once } from 'node:events';
import { connect } from 'node:net';

/**
 * Requests a WebSocket and resets the connection at the first byte of the answer, as a client does that has lost interest. The server then
 * gets an error on a socket that it has finished with.
 * @returns the status line
 */
export async function slamDoor(url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const lines = Object.entries({
    Host: hostname,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'L9eczmAycq6DZpthUHbyAw==',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET ${pathname} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.resetAndDestroy();
  await once(socket, 'close');
  return answer.toString('latin1').split('\r\n')[0]!;
}
