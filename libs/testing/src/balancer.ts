import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A TCP balancer in front of engines. It passes each connection to the first backend that accepts it, and can simulate a lost network. */
export class Balancer {
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private cut = false;

  private constructor(
    private readonly server: Server,
    private backends: readonly number[],
  ) {}

  static async start(backends: readonly number[]): Promise<Balancer> {
    const server = createServer();
    const balancer = new Balancer(server, backends);
    server.on('connection', (socket) => balancer.accept(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return balancer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Sets the backends of new connections. Existing connections stay where they are. */
  offer(backends: readonly number[]): void {
    this.backends = backends;
  }

  /** Loses the network: nothing gets through in either direction any more, and neither end is told. */
  loseNetwork(): void {
    this.cut = true;
    for (const [client, backend] of this.pairs) {
      client.unpipe(backend).pause();
      backend.unpipe(client).pause();
    }
  }

  /** Restores the network for new connections. Lost data stays lost. */
  restoreNetwork(): void {
    this.cut = false;
    this.drop();
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.drop();
    await closed;
  }

  /** Ends all connections visibly for both ends. */
  drop(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
  }

  private accept(client: Socket): void {
    client.on('error', () => client.destroy());
    if (this.cut) client.destroy();
    else this.hand(client, [...this.backends]);
  }

  private hand(client: Socket, left: number[]): void {
    const port = left.shift();
    if (port === undefined || client.destroyed) return void client.destroy();
    const backend = connect(port, '127.0.0.1');
    const refused = (): void => this.hand(client, left);
    backend.once('error', refused);
    backend.once('connect', () => {
      backend.off('error', refused).on('error', () => client.destroy());
      const pair = [client, backend] as const;
      this.pairs.add(pair);
      client.pipe(backend).pipe(client);
      for (const [one, other] of [pair, [backend, client]] as const) {
        one.once('close', () => {
          this.pairs.delete(pair);
          // A cut network carries no end of connection either.
          if (!this.cut) other.destroy();
        });
      }
    });
  }
}
