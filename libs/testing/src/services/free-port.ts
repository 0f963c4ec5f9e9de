import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { OperationalError } from '@millrace/domain';

/** Below Linux' ephemeral range: a client that retries a stopped service could otherwise be given the service's own port. */
const FIRST = 20_000;
const LAST = 32_000;

/** Returns a port on 127.0.0.1 that nobody listens on now and that no outgoing connection will take. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = randomInt(FIRST, LAST);
    if (await canListen(port)) return port;
  }
  throw new OperationalError('no-free-port', `no free port between ${FIRST} and ${LAST}`);
}

/** Whether nobody listens on 127.0.0.1:port. */
export function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
