import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type CommandName,
  type CommandOutcome,
  type CommandSink,
  type CommandUpdate,
  DUPLICATE_WORKER,
  MsgpackMasterSession,
  parseBasicAuthorization,
  pbDigest,
  PbMasterSession,
  type RelayChannel,
  RelayLink,
  type Transport,
  type WorkerConnection,
} from '@millrace/worker-protocol';
import { uuidv7 } from '@millrace/domain';
import { type WebSocket, WebSocketServer } from 'ws';

/** The output and outcome of a finished command. */
export interface Ran extends CommandOutcome {
  readonly id: string;
  readonly updates: readonly CommandUpdate[];
  readonly stdout: string;
  readonly stderr: string;
  readonly header: string;
}

/** An attached worker. */
export class Attached {
  constructor(
    readonly session: WorkerConnection,
    readonly socket: { terminate(): void },
  ) {}

  /** Runs a command to its end. `sink` adds to or replaces the default sink. */
  async run(
    name: CommandName,
    args: Record<string, unknown>,
    sink: Partial<CommandSink> = {},
    id = uuidv7(),
  ): Promise<Ran> {
    const updates: CommandUpdate[] = [];
    const outcome = await this.session.startCommand(id, name, args, {
      updates: (batch) => void updates.push(...batch),
      ...sink,
    });
    const text = (kind: string): string =>
      updates.map((one) => (one.kind === kind && 'text' in one ? one.text : '')).join('');
    return { ...outcome, id, updates, stdout: text('stdout'), stderr: text('stderr'), header: text('header') };
  }

  /** Runs a shell command in `workdir` without the environment in its header. */
  shell(
    workdir: string,
    command: unknown,
    args: Record<string, unknown> = {},
    sink?: Partial<CommandSink>,
    id?: string,
  ): Promise<Ran> {
    return this.run('shell', { workdir, command, logEnviron: false, ...args }, sink, id);
  }
}

/** A minimal master: accepts workers that know the password and attaches them. */
export class TestMaster {
  password = 's3cret';
  refusals = 0;
  /** True to refuse every worker because its name is taken. */
  isNameTaken = false;
  private readonly arrivals: Attached[] = [];
  private waiting: ((attached: Attached) => void)[] = [];

  private constructor(
    private readonly server: Server,
    private readonly sockets: WebSocketServer,
  ) {
    server.on('upgrade', (request, socket, head) => {
      const credentials = parseBasicAuthorization(request.headers.authorization);
      if (credentials?.password !== this.password) {
        this.refusals += 1;
        socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (ws) =>
        request.url === '/relay' ? this.takeRelay(ws) : void this.attach(ws),
      );
    });
  }

  static async start(port = 0): Promise<TestMaster> {
    const server = createServer();
    const master = new TestMaster(server, new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 * 1024 }));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return master;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Waits for the next worker that attaches. */
  worker(): Promise<Attached> {
    const arrived = this.arrivals.shift();
    return arrived === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(arrived);
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.clients) socket.terminate();
    this.server.close();
    await once(this.server, 'close');
  }

  /** Channels of workers that came through a relay. */
  readonly relayed: RelayChannel[] = [];

  private takeRelay(socket: WebSocket): void {
    const link = new RelayLink(transportOf(socket), (channel) => {
      const { protocol, authorization } = channel.opening;
      if (protocol === 'pb') return this.attachPb(channel);
      if (parseBasicAuthorization(authorization ?? undefined)?.password !== this.password) {
        this.refusals += 1;
        return channel.close('wrong password', 401);
      }
      channel.accept();
      this.relayed.push(channel);
      const session = new MsgpackMasterSession({
        send: (frame) => channel.send(frame),
        close: (reason) => channel.close(reason),
        bufferedBytes: () => channel.bufferedBytes,
      });
      session.onUnacknowledged = (bytes) => (bytes > 1_000_000 ? channel.pause() : channel.resume());
      channel.onData = (data) => session.receive(data);
      channel.onClosed = ({ reason }) => session.closed(reason);
      const attached = new Attached(session, { terminate: () => channel.close('cut') });
      // A worker whose connection is lost before it is attached never arrives.
      session.attach().then(
        () => this.arrived(attached),
        () => undefined,
      );
    });
    socket.on('message', (data: Buffer) => link.receive(data));
    socket.on('close', (code) => link.closed(`code ${code}`));
  }

  private attachPb(channel: RelayChannel): void {
    channel.accept();
    const session = new PbMasterSession(
      {
        send: (bytes) => channel.send(bytes),
        close: (reason) => channel.close(reason),
        bufferedBytes: () => channel.bufferedBytes,
      },
      {
        onLogin: (credentials) => {
          if (!credentials.matches(pbDigest(this.password))) return session.refuse();
          const attached = new Attached(session, { terminate: () => channel.close('cut') });
          void session.attach().then(() => this.arrived(attached));
        },
      },
    );
    channel.onData = (data) => session.receive(data);
    channel.onClosed = ({ reason }) => session.closed(reason);
  }

  private async attach(socket: WebSocket): Promise<void> {
    if (this.isNameTaken) {
      this.refusals += 1;
      return socket.close(DUPLICATE_WORKER.closeCode, DUPLICATE_WORKER.reason);
    }
    const session = new MsgpackMasterSession(transportOf(socket));
    // As an engine does: unacknowledged output is held back in the worker.
    session.onUnacknowledged = (bytes) => (bytes > 1_000_000 ? socket.pause() : socket.resume());
    socket.on('message', (data: Buffer) => session.receive(data));
    socket.on('close', (code) => session.closed(`code ${code}`));
    await session.attach();
    this.arrived(new Attached(session, socket));
  }

  private arrived(attached: Attached): void {
    const waiting = this.waiting.shift();
    if (waiting === undefined) this.arrivals.push(attached);
    else waiting(attached);
  }
}

function transportOf(socket: WebSocket): Transport {
  return {
    send: (frame) => socket.send(frame),
    close: (reason) => socket.close(1002, reason.slice(0, 100)),
    bufferedBytes: () => socket.bufferedAmount,
  };
}
