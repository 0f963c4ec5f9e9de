import type { Duplex } from 'node:stream';
import { messageOf } from '@millrace/domain';
import type { Master } from '@millrace/master';
import { type PbCredentials, PbMasterSession } from '@millrace/worker-protocol';
import type { Refusal } from '../core/login-failures.js';
import { type Connection, type Connections, later, loginAddress } from './connections.js';
import { guarded } from './guarded.js';
import type { Login, WorkerDirectory } from './login.js';
import { type SessionSocket, type WorkerSessions } from './sessions.js';

/** Connections that speak PB. */
export class PbSockets {
  /** Those that are logged in. */
  private readonly open = new Map<PbMasterSession, Duplex>();
  /** Those that have said something since they were last asked for a sign of life. */
  private readonly alive = new WeakSet<Duplex>();

  constructor(
    private readonly master: Master<'engine'>,
    private readonly directory: () => WorkerDirectory,
    private readonly connections: Connections,
    private readonly sessions: WorkerSessions,
    private readonly gate: Login,
    private readonly onRefused: (reason: Refusal, name: string, connection: Connection, detail?: string) => void,
  ) {}

  /** A worker whose connection ends before its login was answered backs off, as after a refusal. */
  turnAway(socket: Duplex): void {
    new PbMasterSession(
      { send: (bytes) => socket.end(bytes), close: () => socket.destroy(), bufferedBytes: () => 0 },
      { onLogin: () => undefined },
    );
    socket.resume();
  }

  greet(socket: Duplex, connection: Connection): void {
    const from = connection.address;
    let name = '';
    const session = new PbMasterSession(
      {
        send: (bytes) => {
          if (!socket.destroyed) socket.write(bytes);
        },
        close: (reason) => {
          if (this.open.has(session)) this.master.log.warn({ worker: name, from, reason }, 'session closed');
          else this.onRefused('malformed', name, connection, reason);
          socket.destroy();
        },
        bufferedBytes: () => socket.writableLength,
      },
      {
        onLogin: (credentials) => {
          name = credentials.name;
          void this.login(session, socket, connection, credentials);
        },
        onShutdownRequested: () => this.sessions.leave(session),
        builddirs: () => this.directory().builddirs(name),
      },
    );
    this.sessions.holdBack(session, sessionSocket(socket, connection));
    socket.once('data', (first: Buffer) => {
      if (first.subarray(0, 4).toString('latin1') !== 'GET ') return;
      this.onRefused('malformed', '', connection, 'HTTP came after the greeting of PB: too late, or on the wrong port');
      socket.destroy();
    });
    const receive = guarded(
      this.master.log,
      () => socket.destroy(),
      (data: Buffer) => session.receive(data),
    );
    socket.on('data', (data: Buffer) => {
      if (socket.destroyed) return;
      this.alive.add(socket);
      receive(data);
    });
    socket.resume();
    socket.on('close', () => {
      this.open.delete(session);
      session.closed('the connection was lost');
      this.sessions.detach(session);
    });
  }

  /** Ends connections that have been silent since the last time, and asks the others again. */
  ping(): void {
    for (const [session, socket] of this.open) {
      // One that is not read from cannot show that it is alive.
      if (!this.alive.has(socket) && !socket.isPaused()) {
        socket.destroy();
        continue;
      }
      this.alive.delete(socket);
      session.keepalive().catch((error: unknown) => this.master.log.debug({ err: error }, 'a worker did not answer'));
    }
  }

  private async login(
    session: PbMasterSession,
    socket: Duplex,
    connection: Connection,
    credentials: PbCredentials,
  ): Promise<void> {
    const { name } = credentials;
    try {
      const result = this.gate.withAnswer(credentials, loginAddress(connection));
      if ('refused' in result) {
        return later(result.afterMs, socket, () => {
          this.onRefused(result.refused, name, connection);
          session.refuse();
        });
      }
      if (!this.connections.admit(connection)) {
        this.onRefused('full', name, connection);
        return session.refuse();
      }
      await new Promise<void>((resolve) => later(result.afterMs, socket, resolve));
      try {
        await this.sessions.displaceEarlier(result.worker);
      } catch (error) {
        this.onRefused('duplicate', name, connection, messageOf(error));
        return session.refuse();
      }
      connection.isLoggedIn = true;
      this.open.set(session, socket);
      await this.sessions.attach(session, sessionSocket(socket, connection), result.worker);
    } catch (error) {
      this.onRefused('attach-failed', name, connection, messageOf(error));
      // Without an answer to its login the worker waits and tries again.
      socket.destroy();
    }
  }
}

function sessionSocket(socket: Duplex, { address, relay }: Connection): SessionSocket {
  return {
    protocol: 'pb',
    address,
    ...(relay && { relay }),
    get isOpen() {
      return !socket.destroyed;
    },
    get isPaused() {
      return socket.isPaused();
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    terminate: () => socket.destroy(),
  };
}
