import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { UserError } from '@millrace/domain';
import type { FastifyReply } from 'fastify';
import { AccessPolicy } from '../access/access-policy.js';
import { stockPlugins } from './stock-paths.js';

/** Buildbot's own frontend, unmodified, from the folder that the configuration names. */
@Injectable()
export class StockFrontend {
  constructor(private readonly policy: AccessPolicy) {}

  /** Whether the configuration wants it. */
  get isWanted(): boolean {
    return this.policy.www.stockFrontend !== undefined;
  }

  /** Returns the views whose packages are there. */
  plugins(): Record<string, object> {
    const { folder } = this;
    return stockPlugins((file) => existsSync(join(folder, file)));
  }

  /**
   * Sends a file of it.
   * @throws UserError `no-stock-frontend` when the folder is not here
   */
  send(reply: FastifyReply, file: string): FastifyReply {
    const { folder } = this;
    if (!existsSync(join(folder, 'buildbot_www/static/index.html')))
      throw new UserError(
        'no-stock-frontend',
        `www.stockFrontend of the configuration is ${folder}, where this UI has no buildbot_www: install the package buildbot-www there`,
        { folder },
      );
    return reply.sendFile(file, folder);
  }

  private get folder(): string {
    return this.policy.www.stockFrontend ?? '';
  }
}
