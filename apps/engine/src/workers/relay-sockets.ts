import { messageOf, OperationalError } from '@millrace/domain';
import type { Master } from '@millrace/master';
import {
  type Credentials,
  MsgpackMasterSession,
  parseBasicAuthorization,
  type RelayChannel,
  RelayLink,
} from '@millrace/worker-protocol';
import type { RawData, WebSocket } from 'ws';
import type { Refusal } from '../core/login-failures.js';
import { ChannelStream } from './channel-stream.js';
import { type Connection, type Connections, expectLogin, loginAddress } from './connections.js';
import { guarded } from './guarded.js';
import type { Login } from './login.js';
import type { PbSockets } from './pb-sockets.js';
import { type SessionSocket, type WorkerSessions } from './sessions.js';
import type { LoggedInWorker } from './tokens.js';

/** Where relays connect; workers connect anywhere else. */
export const RELAY_PATH = '/relay';

/** Workers that come through relays, many on one connection. Each logs in itself, as on a connection of its own. */
export class RelaySockets {
  private readonly open = new Map<Connection, WebSocket>();
  private isRefusing = false;

  constructor(
    private readonly master: Master<'engine'>,
    private readonly connections: Connections,
    private readonly sessions: WorkerSessions,
    private readonly login: Login,
    private readonly pb: Pick<PbSockets, 'greet'>,
    private readonly onRefused: (reason: Refusal, name: string, connection: Connection, detail?: string) => void,
  ) {}

  /** A relay that has logged in under a worker's name. */
  accept(webSocket: WebSocket, relay: LoggedInWorker, connection: Connection): void {
    const fields = { relay: relay.name, from: connection.address };
    const link = new RelayLink(
      {
        send: (frame) => webSocket.send(frame),
        close: (reason) => {
          this.master.log.warn({ ...fields, reason }, 'relay does not keep to the protocol');
          webSocket.terminate();
        },
        bufferedBytes: () => webSocket.bufferedAmount,
      },
      (channel) => this.opened(channel, connection),
    );
    const receive = guarded(
      this.master.log,
      () => webSocket.terminate(),
      (data: Buffer) => link.receive(data),
    );
    webSocket.on('message', (data: RawData, isBinary) => {
      if (isBinary) receive(data as Buffer);
    });
    webSocket.on('error', (error) => this.master.log.warn({ ...fields, err: error }, `socket: ${error.message}`));
    webSocket.on('close', () => {
      this.master.log.info(fields, 'relay disconnected');
      this.open.delete(connection);
      link.closed('the connection of its relay was lost');
    });
    this.open.set(connection, webSocket);
    this.master.log.info(fields, 'relay connected');
  }

  /** Lets nobody in any more; those that are in stay. */
  refuseNew(): void {
    this.isRefusing = true;
  }

  /** Ends the connections of all relays but those: they, and who is behind them, go to another engine. */
  letGo(busy: ReadonlySet<Connection>): void {
    for (const [connection, webSocket] of this.open)
      if (!busy.has(connection)) webSocket.close(1001, 'the engine is draining');
  }

  private opened(channel: RelayChannel, relay: Connection): void {
    if (this.isRefusing) return channel.close('the engine is draining', 503);
    const connection = this.connections.relayed(channel, relay);
    if (connection.isTooMany) {
      this.onRefused('full', '', connection);
      return channel.close('there is no room for another worker', 503);
    }
    if (connection.protocol === 'msgpack') return this.msgpack(channel, connection);
    channel.accept();
    const stream = new ChannelStream(channel);
    expectLogin(connection, stream);
    this.pb.greet(stream, connection);
  }

  private msgpack(channel: RelayChannel, connection: Connection): void {
    let credentials: Credentials | undefined;
    try {
      credentials = parseBasicAuthorization(channel.opening.authorization ?? undefined);
    } catch (error) {
      this.onRefused('malformed', '', connection, messageOf(error));
      return channel.close('malformed credentials', 400);
    }
    if (!credentials) {
      this.onRefused('no-credentials', '', connection);
      return channel.close('no credentials', 401);
    }
    const result = this.login.withPassword(credentials, loginAddress(connection));
    const { name } = credentials;
    if ('refused' in result) {
      return this.later(result.afterMs, channel, () => {
        this.onRefused(result.refused, name, connection);
        channel.close(result.refused, 401);
      });
    }
    if (!this.connections.admit(connection)) {
      this.onRefused('full', name, connection);
      return channel.close('there is no room for another worker', 503);
    }
    connection.isLoggedIn = true;
    this.later(result.afterMs, channel, () => this.welcome(channel, result.worker, connection));
  }

  private later(delayMs: number, channel: RelayChannel, action: () => void): void {
    if (delayMs === 0) action();
    else setTimeout(() => channel.isOpen && action(), delayMs).unref();
  }

  private welcome(channel: RelayChannel, worker: LoggedInWorker, connection: Connection): void {
    channel.accept();
    this.attach(channel, worker, connection).catch((error: unknown) => {
      const isDuplicate = error instanceof OperationalError && error.code === 'duplicate-worker';
      this.onRefused(isDuplicate ? 'duplicate' : 'attach-failed', worker.name, connection, messageOf(error));
    });
  }

  private async attach(channel: RelayChannel, worker: LoggedInWorker, connection: Connection): Promise<void> {
    const { address, relay } = connection;
    const session = new MsgpackMasterSession({
      send: (frame) => channel.send(frame),
      close: (reason) => {
        this.master.log.warn({ worker: worker.name, from: address, reason }, 'session closed');
        terminate();
      },
      bufferedBytes: () => channel.bufferedBytes,
    });
    const ended = (): void => {
      session.closed('the connection was lost');
      this.sessions.detach(session);
    };
    // A channel that is closed here is not told of its end.
    const terminate = (): void => {
      channel.close('disconnected by the engine');
      ended();
    };
    const socket: SessionSocket = {
      protocol: 'msgpack',
      address,
      ...(relay && { relay }),
      get isOpen() {
        return channel.isOpen;
      },
      get isPaused() {
        return channel.isPaused;
      },
      pause: () => channel.pause(),
      resume: () => channel.resume(),
      terminate,
    };
    this.sessions.holdBack(session, socket);
    channel.onData = (data) => session.receive(data);
    channel.onClosed = ended;
    try {
      await this.sessions.displaceEarlier(worker);
      await this.sessions.attach(session, socket, worker);
    } catch (error) {
      terminate();
      throw error;
    }
  }
}
