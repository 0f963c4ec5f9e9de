import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS, type UiSettings } from '@millrace/master';
import { addressOf } from './api-request.js';

/** Finds the addresses of clients behind proxies. A header of anybody else could claim any address. */
@Injectable()
export class ClientAddresses {
  private readonly isTrusted: (address: string, index: number) => boolean;

  constructor(@Inject(SETTINGS) { trustedProxies }: Pick<UiSettings, 'trustedProxies'>) {
    this.isTrusted = proxyAddr.compile([...trustedProxies]);
  }

  /** Returns the last address of `X-Forwarded-For` that no trusted proxy has; the sender's own when that is not trusted. */
  of(request: IncomingMessage): string {
    const found = proxyAddr(request, this.isTrusted).replace(/^::ffff:/, '');
    return isIP(found) === 0 ? addressOf(request) : found;
  }
}
