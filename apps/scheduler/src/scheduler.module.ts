import { Module } from '@nestjs/common';
import { ConfigurationModule } from './configuration/configuration.module.js';
import { GitModule } from './git/git.module.js';
import { Scheduler } from './scheduler.js';
import { SchedulersModule } from './schedulers/schedulers.module.js';
import { TriggerModule } from './trigger/trigger.module.js';

/** The role `scheduler`: pollers, schedulers, the trigger API. */
@Module({
  imports: [ConfigurationModule, GitModule, SchedulersModule, TriggerModule],
  providers: [Scheduler],
})
export class SchedulerModule {}
