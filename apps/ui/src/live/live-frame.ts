import { sseEvent } from './sse-protocol.js';

/** An event as it is sent: encoded once for each protocol, however many it goes to. */
export class LiveFrame {
  private ofWs: Buffer | undefined;
  private ofSse: Buffer | undefined;

  /** @param json the message, encoded */
  constructor(
    readonly key: string,
    private readonly json: string,
  ) {}

  /** The text of a frame of `/ws`. */
  get ws(): Buffer {
    return (this.ofWs ??= Buffer.from(`{"k":${JSON.stringify(this.key)},"m":${this.json}}`));
  }

  /** An event of `/sse`. */
  get sse(): Buffer {
    return (this.ofSse ??= Buffer.from(
      sseEvent('event', `{"key":${JSON.stringify(this.key.split('/'))},"message":${this.json}}`),
    ));
  }
}
