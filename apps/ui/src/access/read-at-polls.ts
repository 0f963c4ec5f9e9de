import type { BeforeApplicationShutdown, OnApplicationBootstrap, OnModuleInit } from '@nestjs/common';
import { type Logger, Loop, type UiSettings } from '@millrace/master';

/** Something that is read at start, before anybody is answered, and then at every poll, so that no request waits for it. */
export abstract class ReadAtPolls implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly loop: Loop;

  constructor(name: string, { pollIntervalMs: everyMs }: Pick<UiSettings, 'pollIntervalMs'>, log: Logger) {
    this.loop = new Loop({ name, everyMs, round: () => this.read(), log });
  }

  protected abstract read(): Promise<void>;

  onModuleInit(): Promise<void> {
    return this.read();
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
  }
}
