import type { RelayLink } from '@millrace/worker-protocol';
import type { Socket } from 'node:net';

/** A PB worker behind the relay. Its protocol cannot go on with another engine: the connection ends with that of the relay. */
export class PbMember {
  constructor(socket: Socket, link: RelayLink) {
    const channel = link.open({ protocol: 'pb', authorization: null, remoteAddress: socket.remoteAddress ?? '' });
    channel.onData = (data) => {
      if (!socket.write(data)) channel.pause();
    };
    channel.onWritable = () => socket.resume();
    channel.onClosed = () => socket.destroy();
    socket.on('drain', () => channel.resume());
    socket.on('data', (data) => {
      channel.send(data);
      if (!channel.isWritable) socket.pause();
    });
    socket.on('close', () => channel.close('the worker is gone'));
  }
}
