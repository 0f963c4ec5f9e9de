import { type AddressInfo, type BlockList, createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { messageOf, OperationalError } from '@millrace/domain';
import { portRefused, type TlsIdentity } from '@millrace/master';
import type { Refusal } from '../core/login-failures.js';
import { parseProxyHeader } from '../core/proxy-header.js';
import { type Connection, type Connections, expectLogin, type WorkerProtocol } from './connections.js';

/** Time for the balancer's header and the TLS handshake. */
const PREPARED_WITHIN_MS = 15_000;
const KEEP_ALIVE_AFTER_MS = 60_000;
/**
 * Silence after which a connection is greeted as PB. Over PB the master speaks first, over HTTP the worker does. When many connect at once
 * they are slow to speak, and a greeting would break their handshake.
 */
const SPEAKS_FIRST_WITHIN_MS = 200;
const LONGER_PER_UNDECIDED_MS = 3;
const SPEAKS_FIRST_WITHIN_AT_MOST_MS = 3000;

export interface WorkerPortOptions {
  readonly host: string;
  readonly port: number;
  /** The setting that names the port, for the error when it is taken. */
  readonly setting: string;
  /** Null for both protocols, distinguished by who speaks first. */
  readonly protocol: WorkerProtocol | null;
  readonly tls: TlsIdentity | null;
  /** Peers whose connections begin with a PROXY header. */
  readonly balancers: BlockList | null;
  readonly connections: Connections;
  /** The stream is paused. The receiver resumes it. */
  readonly onReady: (stream: Socket, connection: Connection) => void;
  readonly onRefused: (reason: Refusal, connection: Connection, detail: string) => void;
}

/** One listening port. A connection is passed on after the balancer's header, the TLS handshake and the detection of its protocol. */
export class WorkerPort {
  private readonly server: Server;

  constructor(private readonly options: WorkerPortOptions) {
    this.server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS },
      (socket) => {
        // The connection was reset before it was accepted. Nobody is there to read an answer, and it has no address any more.
        if (socket.remoteAddress === undefined) return void socket.destroy();
        void this.prepare(socket, options.connections.accept(socket));
      },
    );
  }

  get address(): AddressInfo {
    return this.server.address() as AddressInfo;
  }

  /**
   * Opens the port.
   * @throws UserError `port-taken`, `port-refused`
   */
  listen(): Promise<void> {
    const { port, host, setting } = this.options;
    return new Promise((resolve, reject) => {
      this.server.once('error', (error) => reject(portRefused(error, port, setting)));
      this.server.listen({ port, host, backlog: 4096 }, resolve);
    });
  }

  /** Stops accepting connections. Resolves when the last connection has ended. */
  close(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private async prepare(socket: Socket, connection: Connection): Promise<void> {
    const { connections, tls, protocol, onReady, onRefused } = this.options;
    const preparing = setTimeout(() => socket.destroy(), PREPARED_WITHIN_MS);
    expectLogin(connection, socket);
    socket.on('close', () => clearTimeout(preparing));
    socket.on('error', () => socket.destroy());
    try {
      if (this.isBalancer(socket)) connections.comesFrom(connection, await sourceAddress(socket, connection.address));
      const stream = tls ? await secured(socket, tls) : socket;
      clearTimeout(preparing);
      connections.carry(stream, connection);
      const patienceMs = SPEAKS_FIRST_WITHIN_MS + LONGER_PER_UNDECIDED_MS * connections.undecided;
      connections.decide(
        connection,
        protocol ?? (await spoken(stream, Math.min(patienceMs, SPEAKS_FIRST_WITHIN_AT_MOST_MS))),
      );
      onReady(stream, connection);
    } catch (error) {
      const reason = error instanceof Unprepared ? error.reason : null;
      if (reason) onRefused(reason, connection, messageOf(error));
      socket.destroy();
    }
  }

  private isBalancer({ remoteAddress, remoteFamily }: Socket): boolean {
    const { balancers } = this.options;
    if (!balancers || !remoteAddress) return false;
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress)?.[1];
    if (mapped) return balancers.check(mapped, 'ipv4');
    return balancers.check(remoteAddress, remoteFamily === 'IPv6' ? 'ipv6' : 'ipv4');
  }
}

/** Thrown for a connection that will never be a worker's. Without a reason it just ended, which is not reported. */
class Unprepared extends OperationalError {
  constructor(
    readonly reason: Refusal | null,
    message: string,
  ) {
    super('worker-unprepared', message);
  }
}

/**
 * Returns the next bytes. The stream is left paused.
 * @throws Unprepared when it closes first
 */
function nextBytes(stream: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new Unprepared(null, 'the connection was closed'));
    if (stream.destroyed) return closed();
    stream.once('close', closed);
    stream.once('data', (bytes: Buffer) => {
      stream.off('close', closed);
      stream.pause();
      resolve(bytes);
    });
    stream.resume();
  });
}

/** Returns the source address in the balancer's header; `own` when the balancer itself connects. */
async function sourceAddress(socket: Socket, own: string): Promise<string> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    bytes = Buffer.concat([bytes, await nextBytes(socket)]);
    const header = parseProxyHeader(bytes);
    if (header.kind === 'malformed') throw new Unprepared('proxy-header', `PROXY header: ${header.reason}`);
    if (header.kind === 'incomplete') continue;
    if (bytes.length > header.length) socket.unshift(bytes.subarray(header.length));
    return header.source?.address ?? own;
  }
}

function secured(socket: Socket, tls: TlsIdentity): Promise<Socket> {
  const saidBefore = socket.bytesRead - socket.readableLength;
  const stream = new TLSSocket(socket, { isServer: true, secureContext: tls.context });
  return new Promise((resolve, reject) => {
    stream.once('secure', () => {
      stream.off('close', closed);
      resolve(stream);
    });
    let failure: string | null = null;
    const failed = (error: Error): void => void (failure = error.message);
    const closed = (): void => {
      // A balancer's health check sends nothing, which is no failure, however it ends.
      const isSilent = socket.bytesRead === saidBefore;
      reject(new Unprepared(isSilent || failure === null ? null : 'tls', failure ?? 'it was closed'));
    };
    stream.on('error', failed);
    stream.once('_tlsError', failed);
    stream.once('close', closed);
  });
}

/**
 * Detects the protocol of a new connection.
 * @throws Unprepared when it closes first
 */
function spoken(stream: Socket, withinMs: number): Promise<WorkerProtocol> {
  return new Promise((resolve, reject) => {
    let hasSpoken = false;
    const closed = (): void => {
      clearTimeout(quiet);
      reject(new Unprepared(null, 'the connection was closed'));
    };
    const speaks = (first: Buffer): void => {
      hasSpoken = true;
      clearTimeout(quiet);
      stream.off('close', closed);
      stream.pause();
      stream.unshift(first);
      resolve('msgpack');
    };
    const quiet = setTimeout(() => {
      // After a pause of this process, data that arrived meanwhile is read before this runs.
      setImmediate(() => {
        if (hasSpoken || stream.destroyed) return;
        stream.off('data', speaks);
        stream.off('close', closed);
        stream.pause();
        resolve('pb');
      });
    }, withinMs);
    stream.once('data', speaks);
    stream.once('close', closed);
    stream.resume();
  });
}
