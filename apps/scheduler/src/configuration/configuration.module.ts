import { Module } from '@nestjs/common';
import { ConfigurationStore, type Incarnation, RevertStore } from '@millrace/database';
import {
  configFileOf,
  ConfigurationStanding,
  LOG,
  type Logger,
  ME,
  type SchedulerSettings,
  SETTINGS,
} from '@millrace/master';
import { SchedulerConfiguration } from './scheduler-configuration.js';

@Module({
  providers: [
    ConfigurationStanding,
    {
      provide: SchedulerConfiguration,
      useFactory: (
        settings: SchedulerSettings,
        store: ConfigurationStore,
        reverts: RevertStore,
        standing: ConfigurationStanding,
        me: Incarnation,
        log: Logger,
      ) => {
        const { dataFolder } = settings;
        return SchedulerConfiguration.inForce({
          ...{ file: configFileOf(settings), dataFolder, store, reverts, standing, me, log },
        });
      },
      inject: [SETTINGS, ConfigurationStore, RevertStore, ConfigurationStanding, ME, LOG],
    },
  ],
  exports: [SchedulerConfiguration],
})
export class ConfigurationModule {}
