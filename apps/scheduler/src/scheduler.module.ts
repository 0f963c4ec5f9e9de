import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Module,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { configFileOf, MASTER, type Master, OnCommand } from '@millrace/master';
import { CurrentRuntime } from './runtime.js';
import { startTriggerListener } from './trigger/listener.js';

@Injectable()
class Scheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private trigger: NestFastifyApplication | null = null;

  constructor(
    private readonly runtime: CurrentRuntime,
    @Inject(MASTER) private readonly master: Master<'scheduler'>,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.runtime.begin();
    this.trigger = await startTriggerListener(this.master, this.runtime);
    this.master.log.info({ url: await this.trigger.getUrl() }, 'trigger API listens');
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.trigger?.close();
    await this.runtime.stop();
  }

  @OnCommand('reconfig')
  reload(): Promise<string> {
    return this.runtime.reload();
  }
}

@Module({
  providers: [
    {
      provide: CurrentRuntime,
      useFactory: (master: Master<'scheduler'>) => CurrentRuntime.load(master, configFileOf(master.settings)),
      inject: [MASTER],
    },
    Scheduler,
  ],
})
export class SchedulerModule {}
