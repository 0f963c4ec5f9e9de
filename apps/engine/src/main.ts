import { Module } from '@nestjs/common';
import { configFileOf, runMaster } from '@millrace/master';
import { EngineRuntime } from './runtime.js';

@Module({})
class EngineModule {}

await runMaster({
  role: 'engine',
  setup: async (master) => {
    const engine = await EngineRuntime.start(master, configFileOf(master.settings));
    master.onStop(() => engine.stop());
    master.onReload(() => engine.reload());
    return { module: EngineModule, onReady: () => engine.open() };
  },
});
