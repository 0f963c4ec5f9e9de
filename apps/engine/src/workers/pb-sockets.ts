import type { Duplex } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { LOG, type Logger } from '@millrace/master';
import { type PbCredentials, PbMasterSession } from '@millrace/worker-protocol';
import { type Connection, loginAddress } from './connections.js';
import { Entrance } from './entrance.js';
import { guarded } from './guarded.js';
import { Login, WorkerDirectory } from './login.js';
import { Refusals } from './refusals.js';
import { type SessionSocket, WorkerSessions } from './sessions.js';

/** Connections that speak PB. */
@Injectable()
export class PbSockets {
  /** Sessions that are logged in. */
  private readonly open = new Map<PbMasterSession, Duplex>();
  /** Connections that have sent something since the last ping. */
  private readonly alive = new WeakSet<Duplex>();

  constructor(
    private readonly directory: WorkerDirectory,
    private readonly login: Login,
    private readonly entrance: Entrance,
    private readonly refusals: Refusals,
    private readonly sessions: WorkerSessions,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  /** Ends a connection before its login was answered. The worker then backs off, as after a refusal. */
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
          if (socket.destroyed) return;
          // Answers to what came together, and what one commit lets go, are one write here and one read in the worker.
          if (socket.writableCorked === 0) {
            socket.cork();
            process.nextTick(() => socket.uncork());
          }
          socket.write(bytes);
        },
        close: (reason) => {
          if (this.open.has(session)) this.log.warn({ worker: name, from, reason }, 'session closed');
          else this.refusals.refused('malformed', name, connection, reason);
          socket.destroy();
        },
        bufferedBytes: () => socket.writableLength,
      },
      {
        onLogin: (credentials) => {
          name = credentials.name;
          void this.enter(session, socket, connection, credentials);
        },
        onShutdownRequested: () => this.sessions.leave(session),
        builddirs: () => this.directory.builddirs(name),
      },
    );
    this.sessions.holdBack(session, sessionSocket(socket, connection));
    socket.once('data', (first: Buffer) => {
      if (first.subarray(0, 4).toString('latin1') !== 'GET ') return;
      this.refusals.refused(
        'malformed',
        '',
        connection,
        'HTTP came after the greeting of PB: too late, or on the wrong port',
      );
      socket.destroy();
    });
    const receive = guarded(
      this.log,
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

  /** Ends connections that have been silent since the last ping, and pings the others. */
  ping(): void {
    for (const [session, socket] of this.open) {
      // A paused connection cannot show that it is alive.
      if (!this.alive.has(socket) && !socket.isPaused()) {
        socket.destroy();
        continue;
      }
      this.alive.delete(socket);
      session.keepalive().catch((error: unknown) => this.log.debug({ err: error }, 'a worker did not answer'));
    }
  }

  private async enter(
    session: PbMasterSession,
    socket: Duplex,
    connection: Connection,
    credentials: PbCredentials,
  ): Promise<void> {
    const { name } = credentials;
    const worker = await this.entrance.enter(this.login.withAnswer(credentials, loginAddress(connection)), {
      name,
      connection,
      isOpen: () => !socket.destroyed,
      refuse: () => session.refuse(),
    });
    if (!worker) return;
    await this.entrance.attach(session, sessionSocket(socket, connection), worker, {
      connection,
      onBegin: () => this.open.set(session, socket),
      refuseDuplicate: () => session.refuse(),
      // Without an answer to its login the worker waits and tries again.
      giveUp: () => socket.destroy(),
    });
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
