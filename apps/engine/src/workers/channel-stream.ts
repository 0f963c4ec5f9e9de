import { Duplex } from 'node:stream';
import type { RelayChannel } from '@millrace/worker-protocol';

/** A relay's channel as a stream of bytes, which PB needs. Destroying it closes the channel. */
export class ChannelStream extends Duplex {
  constructor(private readonly channel: RelayChannel) {
    super({ highWaterMark: 64 << 10 });
    channel.onData = (data) => {
      if (!this.push(data)) channel.pause();
    };
    channel.onClosed = () => this.destroy();
  }

  override _read(): void {
    this.channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.channel.send(chunk);
    if (this.channel.isWritable) done();
    else this.channel.onWritable = done;
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.channel.close(error?.message ?? 'closed by the engine');
    done(error);
  }
}
