import { eventually } from '@millrace/testing/services';
import { WebSocket } from 'ws';

export type Message = readonly unknown[];

/** A WAMP client that sends what it is told and keeps what it receives. */
export class RawClient {
  readonly heard: Message[] = [];
  closeCode: number | undefined;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.heard.push(JSON.parse(data.toString()) as Message));
    socket.on('close', (code) => (this.closeCode = code));
    // A connection that was cut off also emits an error. The tests check the close code instead.
    socket.on('error', () => undefined);
  }

  static connect(url: string, options: { autoPong?: boolean } = {}): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, ['wamp.2.json'], { perMessageDeflate: false, ...options });
      const client = new RawClient(socket);
      socket.once('open', () => resolve(client));
      socket.once('error', reject);
    });
  }

  static async join(url: string, details: object = {}, options: { autoPong?: boolean } = {}): Promise<RawClient> {
    const client = await RawClient.connect(url, options);
    client.send([1, 'realm1', { roles: { subscriber: {}, publisher: {}, caller: {}, callee: {} }, ...details }]);
    await client.next(2);
    return client;
  }

  send(message: Message | string): void {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  /** Returns and removes the first message of that code, waiting for it when none has arrived. */
  async next(code: number): Promise<Message> {
    await eventually(() => this.heard.some((message) => message[0] === code), {
      intervalMs: 2,
      what: `message ${code} among ${JSON.stringify(this.heard.slice(0, 5))}`,
    });
    const index = this.heard.findIndex((message) => message[0] === code);
    return this.heard.splice(index, 1)[0]!;
  }

  async ask(message: Message, answer: number): Promise<Message> {
    this.send(message);
    return this.next(answer);
  }

  async closed(timeoutMs = 10_000): Promise<number> {
    await eventually(() => this.closeCode !== undefined, { timeoutMs, what: 'the end of the connection' });
    return this.closeCode!;
  }

  end(): void {
    this.socket.terminate();
  }
}
