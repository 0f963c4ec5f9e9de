import { Inject, Injectable } from '@nestjs/common';
import type { CompiledWww } from '@millrace/contracts';
import { CatalogReads } from '@millrace/database';
import { isLoopback } from '@millrace/domain';
import { LOG, type Logger, SETTINGS, type UiSettings } from '@millrace/master';
import { ReadAtPolls } from './read-at-polls.js';

/** What the configuration in use says about who people are and what they may do. */
@Injectable()
export class AccessPolicy extends ReadAtPolls {
  private current: CompiledWww = {};

  constructor(
    private readonly catalog: CatalogReads,
    @Inject(SETTINGS) private readonly settings: Pick<UiSettings, 'pollIntervalMs' | 'httpHost'>,
    @Inject(LOG) private readonly log: Logger,
  ) {
    super('access', settings, log);
  }

  get www(): CompiledWww {
    return this.current;
  }

  override onApplicationBootstrap(): void {
    super.onApplicationBootstrap();
    const { httpHost } = this.settings;
    if (!isLoopback(httpHost) && !this.current.authz) {
      this.log.warn(
        { httpHost },
        `EVERYBODY WHO REACHES ${httpHost} MAY START AND STOP BUILDS: say in the configuration who may (www.authz), or put a proxy with a login in front`,
      );
    }
  }

  protected async read(): Promise<void> {
    this.current = (await this.catalog.currentRevision())?.config.www ?? {};
  }
}
