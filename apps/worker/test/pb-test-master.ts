import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { pbDigest, PbMasterSession } from '@millrace/worker-protocol';
import { Attached } from './test-master.js';

/** A minimal master for workers that speak PB. */
export class PbTestMaster {
  password = 's3cret';
  refusals = 0;
  /** Names of workers that asked for a graceful end. */
  readonly leaving: string[] = [];
  builddirs: readonly string[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly arrivals: Attached[] = [];
  private waiting: ((attached: Attached) => void)[] = [];

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => this.accept(socket));
  }

  static async start(port = 0): Promise<PbTestMaster> {
    const master = new PbTestMaster(createServer());
    master.server.listen(port, '127.0.0.1');
    await once(master.server, 'listening');
    return master;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Waits for the next worker that attaches. */
  worker(): Promise<Attached> {
    const arrived = this.arrivals.shift();
    return arrived === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(arrived);
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    let name = '';
    const session = new PbMasterSession(
      {
        send: (bytes) => void socket.write(bytes),
        close: () => socket.destroy(),
        bufferedBytes: () => socket.writableLength,
      },
      {
        onLogin: (credentials) => {
          name = credentials.name;
          if (credentials.matches(pbDigest(this.password))) return void this.attach(session, socket);
          this.refusals += 1;
          session.refuse();
        },
        onShutdownRequested: () => this.leaving.push(name),
        builddirs: () => this.builddirs,
      },
    );
    session.onUnacknowledged = (bytes) => (bytes > 1_000_000 ? socket.pause() : socket.resume());
    socket.on('data', (data) => session.receive(data));
    // A reset connection is closed like any other.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.sockets.delete(socket);
      session.closed('the socket was closed');
    });
  }

  private async attach(session: PbMasterSession, socket: Socket): Promise<void> {
    await session.attach();
    const attached = new Attached(session, { terminate: () => socket.destroy() });
    const waiting = this.waiting.shift();
    if (waiting === undefined) this.arrivals.push(attached);
    else waiting(attached);
  }
}
