import { Inject, Injectable } from '@nestjs/common';
import { messageOf } from '@millrace/domain';
import { LOG, type Logger } from '@millrace/master';
import { AccessPolicy } from '../access/access-policy.js';
import type { AvatarRequest } from './avatar.js';
import { addressesOf } from './avatar-addresses.js';
import { fetchPicture, type Picture } from './fetch-picture.js';
import { PictureCache } from './picture-cache.js';

/** A page is not held up for longer than this by a service that does not answer. */
const TIMEOUT_MS = 2_000;
const MAX_PICTURE_BYTES = 256 << 10;
const MAX_CACHE_BYTES = 32 << 20;
const HOUR_MS = 3_600_000;
/** How long a service that failed is left alone. */
const QUIET_MS = 60_000;
const MAX_AT_ONCE = 8;

/** What is known of a person's picture: `unknown` for now, because a service fails or too much is asked for. */
export type Found = Picture | 'none' | 'unknown';

/** Pictures of people from the services that the configuration names. Nobody else hears who looks at whom, and a service is asked once a day. */
@Injectable()
export class Avatars {
  private readonly cache = new PictureCache({
    maxBytes: MAX_CACHE_BYTES,
    pictureMs: 24 * HOUR_MS,
    nothingMs: HOUR_MS,
  });
  private readonly asked = new Map<string, Promise<Picture | null | undefined>>();
  /** Until when each host that failed is left alone. */
  private readonly quiet = new Map<string, number>();

  constructor(
    private readonly policy: AccessPolicy,
    @Inject(LOG) private readonly log: Logger,
  ) {}

  async of(person: AvatarRequest): Promise<Found> {
    const { avatars } = this.policy.www;
    if (typeof avatars !== 'object') return 'none';
    let isKnown = true;
    for (const address of addressesOf(avatars.from, person)) {
      const picture = await this.at(address, avatars.privateAddresses);
      if (picture) return picture;
      if (picture === undefined) isKnown = false;
    }
    return isKnown ? 'none' : 'unknown';
  }

  /** Returns the picture at an address, null when there is none, undefined when nobody knows. */
  private async at(address: string, privateAddresses: boolean): Promise<Picture | null | undefined> {
    const known = this.cache.get(address);
    if (known !== undefined) return known;
    const running = this.asked.get(address);
    if (running) return running;
    const { host } = new URL(address);
    if (this.asked.size >= MAX_AT_ONCE || (this.quiet.get(host) ?? 0) > performance.now()) return undefined;
    const asking = this.ask(address, host, privateAddresses).finally(() => this.asked.delete(address));
    this.asked.set(address, asking);
    return asking;
  }

  private async ask(address: string, host: string, privateAddresses: boolean): Promise<Picture | null | undefined> {
    try {
      const limits = { timeoutMs: TIMEOUT_MS, maxBytes: MAX_PICTURE_BYTES, privateAddresses };
      const picture = await fetchPicture(address, limits);
      this.cache.set(address, picture);
      return picture;
    } catch (error) {
      this.quiet.set(host, performance.now() + QUIET_MS);
      this.log.warn({ err: error }, `initials are drawn for a minute: ${messageOf(error)}`);
      return undefined;
    }
  }
}
