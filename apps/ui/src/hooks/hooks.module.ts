import { Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { CatalogReads } from '@millrace/database';
import { ConfiguredHooks, DeliveryTokens, HookReceiver, HookRoutes } from '@millrace/master/hooks';
import { ReadsModule } from '../reads.module.js';
import { HOOK_ENVIRONMENT, RevisionHooks } from './revision-hooks.js';

/** `POST /change_hook/…`, for those who have one port. A scheduler reads what is accepted. */
@Module({
  imports: [ReadsModule],
  providers: [
    DeliveryTokens,
    HookReceiver,
    HookRoutes,
    { provide: HOOK_ENVIRONMENT, useValue: process.env },
    {
      provide: ConfiguredHooks,
      useFactory: (catalog: CatalogReads, env: NodeJS.ProcessEnv) => new RevisionHooks(catalog, env),
      inject: [CatalogReads, HOOK_ENVIRONMENT],
    },
  ],
})
export class HooksModule implements OnModuleInit {
  constructor(
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
    private readonly routes: HookRoutes,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.routes.addTo(this.adapterHost.httpAdapter.getInstance());
  }
}
