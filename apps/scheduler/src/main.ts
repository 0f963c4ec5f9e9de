import { Module } from '@nestjs/common';
import { configFileOf, runMaster } from '@millrace/master';
import { CurrentRuntime } from './runtime.js';
import { startTriggerListener } from './trigger/listener.js';

@Module({})
class SchedulerModule {}

await runMaster({
  role: 'scheduler',
  setup: async (master) => {
    const runtime = await CurrentRuntime.start(master, configFileOf(master.settings));
    master.onStop(() => runtime.stop());
    master.onReload(() => runtime.reload());
    return {
      module: SchedulerModule,
      onReady: async () => {
        const trigger = await startTriggerListener(master, runtime);
        master.onStop(() => trigger.close());
        master.log.info({ url: await trigger.getUrl() }, 'trigger API listens');
      },
    };
  },
});
