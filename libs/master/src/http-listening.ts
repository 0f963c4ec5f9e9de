import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { portRefused } from './ports.js';
import type { MasterSettings } from './settings.js';
import type { TlsIdentity } from './tls-identity.js';
import { HTTP_TLS, SETTINGS } from './tokens.js';

/**
 * The HTTP port of a master. It is opened before any role begins to work (the hooks of a global module run first), so that a master whose
 * port is taken has claimed nothing. Until then, and while a role begins, `/readyz` says `starting`.
 */
@Injectable()
export class HttpListening implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
    @Inject(SETTINGS) private readonly settings: MasterSettings,
    @Inject(HTTP_TLS) private readonly tls: TlsIdentity | null,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { httpPort: port, httpHost: host } = this.settings;
    try {
      await this.adapterHost.httpAdapter.getInstance().listen({ port, host });
    } catch (error) {
      throw portRefused(error as Error, port, 'MILLRACE_HTTP_PORT');
    }
    this.tls?.watch();
  }

  beforeApplicationShutdown(): void {
    this.tls?.close();
  }

  get url(): string {
    const { address, port, family } = this.adapterHost.httpAdapter.getHttpServer<Server>().address() as AddressInfo;
    return `${this.tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }
}
