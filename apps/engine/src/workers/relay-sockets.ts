import { Inject, Injectable } from '@nestjs/common';
import { messageOf } from '@millrace/domain';
import { LOG, type Logger } from '@millrace/master';
import {
  type Credentials,
  DUPLICATE_WORKER,
  MsgpackMasterSession,
  parseBasicAuthorization,
  type RelayChannel,
  RelayLink,
} from '@millrace/worker-protocol';
import type { RawData, WebSocket } from 'ws';
import { ChannelStream } from './channel-stream.js';
import { type Connection, Connections, expectLogin, loginAddress } from './connections.js';
import { Entrance } from './entrance.js';
import { guarded } from './guarded.js';
import { Login } from './login.js';
import { PbSockets } from './pb-sockets.js';
import { Refusals } from './refusals.js';
import { type SessionSocket, WorkerSessions } from './sessions.js';
import type { LoggedInWorker } from './tokens.js';

/** Path where relays connect. Workers connect anywhere else. */
export const RELAY_PATH = '/relay';

/** Workers that come through relays, many on one connection. Each logs in itself, as on a connection of its own. */
@Injectable()
export class RelaySockets {
  private readonly open = new Map<Connection, WebSocket>();
  private isRefusing = false;

  constructor(
    private readonly connections: Connections,
    private readonly login: Login,
    private readonly entrance: Entrance,
    private readonly refusals: Refusals,
    private readonly sessions: WorkerSessions,
    private readonly pb: PbSockets,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  /** Accepts a relay that has logged in under a worker's name. */
  accept(webSocket: WebSocket, relay: LoggedInWorker, connection: Connection): void {
    const fields = { relay: relay.name, from: connection.address };
    const link = new RelayLink(
      {
        send: (frame) => webSocket.send(frame),
        close: (reason) => {
          this.log.warn({ ...fields, reason }, 'relay does not keep to the protocol');
          webSocket.terminate();
        },
        bufferedBytes: () => webSocket.bufferedAmount,
      },
      (channel) => this.opened(channel, connection),
    );
    const receive = guarded(
      this.log,
      () => webSocket.terminate(),
      (data: Buffer) => link.receive(data),
    );
    webSocket.on('message', (data: RawData, isBinary) => {
      if (isBinary) receive(data as Buffer);
    });
    webSocket.on('error', (error) => this.log.warn({ ...fields, err: error }, `socket: ${error.message}`));
    webSocket.on('close', () => {
      this.log.info(fields, 'relay disconnected');
      this.open.delete(connection);
      link.closed('the connection of its relay was lost');
    });
    this.open.set(connection, webSocket);
    this.log.info(fields, 'relay connected');
  }

  /** Refuses new channels. Existing ones stay. */
  refuseNew(): void {
    this.isRefusing = true;
  }

  /** Ends the connections of all relays except the busy ones: those relays and their workers go to another engine. */
  letGo(busy: ReadonlySet<Connection>): void {
    for (const [connection, webSocket] of this.open)
      if (!busy.has(connection)) webSocket.close(1001, 'the engine is draining');
  }

  private opened(channel: RelayChannel, relay: Connection): void {
    if (this.isRefusing) return channel.close('the engine is draining', 503);
    const connection = this.connections.relayed(channel, relay);
    if (connection.isTooMany) {
      this.refusals.refused('full', '', connection);
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
      this.refusals.refused('malformed', '', connection, messageOf(error));
      return channel.close('malformed credentials', 400);
    }
    if (!credentials) {
      this.refusals.refused('no-credentials', '', connection);
      return channel.close('no credentials', 401);
    }
    void this.enter(channel, credentials, connection);
  }

  private async enter(channel: RelayChannel, credentials: Credentials, connection: Connection): Promise<void> {
    const worker = await this.entrance.enter(this.login.withPassword(credentials, loginAddress(connection)), {
      name: credentials.name,
      connection,
      isOpen: () => channel.isOpen,
      refuse: (reason) =>
        reason === 'full' ? channel.close('there is no room for another worker', 503) : channel.close(reason, 401),
    });
    if (!worker) return;
    channel.accept();
    await this.attach(channel, worker, connection);
  }

  private async attach(channel: RelayChannel, worker: LoggedInWorker, connection: Connection): Promise<void> {
    const { address, relay } = connection;
    const session = new MsgpackMasterSession({
      send: (frame) => channel.send(frame),
      close: (reason) => {
        this.log.warn({ worker: worker.name, from: address, reason }, 'session closed');
        terminate();
      },
      bufferedBytes: () => channel.bufferedBytes,
    });
    const ended = (): void => {
      session.closed('the connection was lost');
      this.sessions.detach(session);
    };
    // No end is reported for a channel that is closed on this side.
    const close = (reason: string, status?: number): void => {
      channel.close(reason, status);
      ended();
    };
    const terminate = (): void => close('disconnected by the engine');
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
    await this.entrance.attach(session, socket, worker, {
      connection,
      giveUp: terminate,
      refuseDuplicate: () => close(DUPLICATE_WORKER.reason, DUPLICATE_WORKER.status),
    });
  }
}
