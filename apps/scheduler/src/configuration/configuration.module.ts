import { Module } from '@nestjs/common';
import { ConfigurationStore, type Incarnation } from '@millrace/database';
import { configFileOf, LOG, type Logger, ME, type SchedulerSettings, SETTINGS } from '@millrace/master';
import { SchedulerConfiguration } from './scheduler-configuration.js';

@Module({
  providers: [
    {
      provide: SchedulerConfiguration,
      useFactory: (settings: SchedulerSettings, store: ConfigurationStore, me: Incarnation, log: Logger) =>
        SchedulerConfiguration.inForce({ file: configFileOf(settings), store, me, log }),
      inject: [SETTINGS, ConfigurationStore, ME, LOG],
    },
  ],
  exports: [SchedulerConfiguration],
})
export class ConfigurationModule {}
