import type { Socket } from 'node:net';
import { messageOf } from '@millrace/domain';
import type { Master } from '@millrace/master';
import { type PbCredentials, PbMasterSession } from '@millrace/worker-protocol';
import { checkPbLogin, type WorkerDirectory } from './login.js';
import { holdBack, type SessionSocket, type WorkerSessions } from './sessions.js';
import type { LoggedInWorker } from './tokens.js';

/** A worker that takes less than it asks for is cut off when so much waits for it. */
const MAX_UNSENT_BYTES = 64 << 20;

/** Connections that speak PB. */
export class PbSockets {
  /** Those that are logged in. */
  private readonly open = new Map<PbMasterSession, Socket>();
  /** Those that have said something since they were last asked for a sign of life. */
  private readonly alive = new WeakSet<Socket>();

  constructor(
    private readonly master: Master,
    private readonly directory: () => WorkerDirectory,
    private readonly sessions: WorkerSessions,
    private readonly onLoggedIn: (socket: Socket) => void,
  ) {}

  greet(socket: Socket): void {
    const from = socket.remoteAddress;
    let name = '';
    const session = new PbMasterSession(
      {
        send: (bytes) => {
          if (socket.writableLength > MAX_UNSENT_BYTES) socket.destroy();
          else if (!socket.destroyed) socket.write(bytes);
        },
        close: (reason) => {
          this.master.log.warn({ worker: name, from, reason }, 'session closed');
          socket.destroy();
        },
        bufferedBytes: () => socket.writableLength,
      },
      {
        onLogin: (credentials) => {
          name = credentials.name;
          void this.login(session, socket, credentials);
        },
        onShutdownRequested: () => this.sessions.leave(session),
        builddirs: () => this.directory().builddirs(name),
      },
    );
    holdBack(session, sessionSocket(socket));
    socket.on('data', (data) => {
      this.alive.add(socket);
      session.receive(data);
    });
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

  private async login(session: PbMasterSession, socket: Socket, credentials: PbCredentials): Promise<void> {
    let configured: LoggedInWorker | null = null;
    try {
      configured = checkPbLogin(credentials, this.directory());
      if (!configured) {
        const reason = `wrong name or password for '${credentials.name}'`;
        this.master.log.warn({ reason, from: socket.remoteAddress }, 'worker refused');
        return session.refuse();
      }
      try {
        await this.sessions.displaceEarlier(configured);
      } catch (error) {
        this.master.log.warn({ worker: configured.name }, `worker refused: ${messageOf(error)}`);
        return session.refuse();
      }
      this.onLoggedIn(socket);
      this.open.set(session, socket);
      await this.sessions.attach(session, sessionSocket(socket), configured);
    } catch (error) {
      this.master.log.warn({ worker: configured?.name, err: error }, `attaching failed: ${messageOf(error)}`);
      // Without an answer to its login the worker waits and tries again.
      socket.destroy();
    }
  }
}

function sessionSocket(socket: Socket): SessionSocket {
  return {
    protocol: 'pb',
    address: socket.remoteAddress ?? null,
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
