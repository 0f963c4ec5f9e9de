import { Module } from '@nestjs/common';
import { CollapsingModule } from './collapsing/collapsing.module.js';
import { ConfigurationModule } from './configuration/configuration.module.js';
import { HooksModule } from './hooks/hooks.module.js';
import { Scheduler } from './scheduler.js';
import { SchedulersModule } from './schedulers/schedulers.module.js';
import { ServicesModule } from './services/services.module.js';
import { SourcesModule } from './sources/sources.module.js';
import { TriggerModule } from './trigger/trigger.module.js';

/** The role `scheduler`: pollers, hooks, schedulers, services, the trigger API. */
@Module({
  imports: [
    ConfigurationModule,
    SourcesModule,
    HooksModule,
    SchedulersModule,
    ServicesModule,
    CollapsingModule,
    TriggerModule,
  ],
  providers: [Scheduler],
})
export class SchedulerModule {}
