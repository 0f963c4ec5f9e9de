import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { MasterCommand } from '@millrace/database';
import { configFileOf, MASTER, type Master, OnCommand } from '@millrace/master';
import { EngineRuntime } from './runtime.js';
import { RefusalsController, WORKER_LISTENER } from './workers/refusals.controller.js';

@Injectable()
class Engine implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(@Inject(EngineRuntime) private readonly runtime: EngineRuntime) {}

  onApplicationBootstrap(): Promise<void> {
    return this.runtime.open();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.runtime.stop();
  }

  @OnCommand('reconfig')
  reload(): Promise<string> {
    return this.runtime.reload();
  }

  @OnCommand('drain')
  drain(): Promise<void> {
    return this.runtime.drain();
  }

  @OnCommand('stop-build')
  stopBuild(command: MasterCommand): Promise<string | null> {
    return this.runtime.stopBuild(command);
  }
}

@Module({
  controllers: [RefusalsController],
  providers: [
    {
      provide: EngineRuntime,
      useFactory: (master: Master<'engine'>) => EngineRuntime.start(master, configFileOf(master.settings)),
      inject: [MASTER],
    },
    { provide: WORKER_LISTENER, useFactory: (runtime: EngineRuntime) => runtime.listener, inject: [EngineRuntime] },
    Engine,
  ],
})
export class EngineModule {}
