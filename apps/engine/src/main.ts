import { Module } from '@nestjs/common';
import { configFileOf, runMaster } from '@millrace/master';
import { EngineRuntime } from './runtime.js';
import { RefusalsController, WORKER_LISTENER } from './workers/refusals.controller.js';

@Module({})
class EngineModule {}

await runMaster({
  role: 'engine',
  setup: async (master) => {
    const engine = await EngineRuntime.start(master, configFileOf(master.settings));
    master.onStop(() => engine.stop());
    master.onReload(() => engine.reload());
    master.onDrain(() => engine.drain());
    return {
      module: {
        module: EngineModule,
        controllers: [RefusalsController],
        providers: [{ provide: WORKER_LISTENER, useValue: engine.listener }],
      },
      onReady: () => engine.open(),
    };
  },
});
