import { type RequestListener, Server, type ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { TlsIdentity } from './tls-identity.js';

/**
 * An HTTP server each of whose connections begins with TLS. A connection gets the certificate of its moment, and counts for limits and
 * timeouts of HTTP before its handshake.
 */
export class TlsServer extends Server {
  constructor(
    private readonly tls: TlsIdentity,
    options: ServerOptions,
    listener: RequestListener,
  ) {
    super(options, listener);
  }

  override emit(event: string, ...args: unknown[]): boolean {
    // Whoever listens for connections, Node's HTTP too, hears of the encrypted one only.
    return super.emit(event, ...(event === 'connection' ? [this.secured(args[0] as Socket)] : args));
  }

  private secured(socket: Socket): TLSSocket {
    // Without a listener, a connection that is reset in its handshake would end the process.
    socket.on('error', () => socket.destroy());
    const { context: secureContext } = this.tls;
    const secured = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
    secured.on('_tlsError', () => secured.destroy());
    return secured;
  }
}
