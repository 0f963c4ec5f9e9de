import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import type { CompiledWww } from '@millrace/contracts';
import { CatalogReads } from '@millrace/database';
import { isLoopback } from '@millrace/domain';
import { LOG, type Logger, Loop, SETTINGS, type UiSettings } from '@millrace/master';

/**
 * What the configuration in use says about who people are and what they may do. It is read at start and then at every poll, so that no
 * request waits for it.
 */
@Injectable()
export class AccessPolicy implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private current: CompiledWww = {};
  private readonly loop: Loop;

  constructor(
    private readonly catalog: CatalogReads,
    @Inject(SETTINGS) private readonly settings: Pick<UiSettings, 'pollIntervalMs' | 'httpHost'>,
    @Inject(LOG) private readonly log: Logger,
  ) {
    this.loop = new Loop({ name: 'access', everyMs: settings.pollIntervalMs, round: () => this.read(), log });
  }

  get www(): CompiledWww {
    return this.current;
  }

  /** Nobody is answered before the rules are known. */
  async onModuleInit(): Promise<void> {
    await this.read();
  }

  onApplicationBootstrap(): void {
    this.loop.start();
    const { httpHost } = this.settings;
    if (!isLoopback(httpHost) && !this.current.authz) {
      this.log.warn(
        { httpHost },
        `EVERYBODY WHO REACHES ${httpHost} MAY START AND STOP BUILDS: say in the configuration who may (www.authz), or put a proxy with a login in front`,
      );
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
  }

  private async read(): Promise<void> {
    this.current = (await this.catalog.currentRevision())?.config.www ?? {};
  }
}
