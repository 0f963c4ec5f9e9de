import { Module } from '@nestjs/common';
import { ConfiguredHooks, DeliveryTokens, HookReceiver, HookRoutes } from '@millrace/master/hooks';
import { ConfigurationModule } from '../configuration/configuration.module.js';
import { Hooks } from './hooks.js';
import { SchedulerHooks } from './scheduler-hooks.js';

/** Takes deliveries of forges, and makes changes of them. */
@Module({
  imports: [ConfigurationModule],
  providers: [{ provide: ConfiguredHooks, useClass: SchedulerHooks }, DeliveryTokens, HookReceiver, HookRoutes, Hooks],
  exports: [HookRoutes, Hooks],
})
export class HooksModule {}
