import { createHash } from 'node:crypto';
import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { EVERYTHING } from '@millrace/database';
import { printable, type Result, UserError } from '@millrace/domain';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access } from '../access/access.js';
import { AccessPolicy } from '../access/access-policy.js';
import { Callers } from '../access/callers.js';
import { addressOf } from '../http/api-request.js';
import { READS, type Reads } from '../reads.js';
import { Sights } from '../resources/sights.js';
import { type AvatarRequest, avatarRequest, gravatarOf, initialsPicture } from './avatar.js';
import { Avatars } from './avatars.js';
import { badgeOf, badgeRequest } from './badge.js';
import type { Picture } from './fetch-picture.js';

/** Builds of a builder, newest first, among which that of a branch is looked for. */
const BUILDS_LOOKED_AT = 100;
const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86_400;
const SVG = 'image/svg+xml';

/** Pictures of people and of results, for pages here and elsewhere. */
@Controller()
export class PicturesController {
  constructor(
    @Inject(READS) private readonly reads: Reads,
    private readonly access: Access,
    private readonly policy: AccessPolicy,
    private readonly sights: Sights,
    private readonly callers: Callers,
    private readonly avatars: Avatars,
  ) {}

  /** Answers with a person's picture, or leads to Gravatar. Nothing is told to anybody else, unless that is configured. */
  @Get(['avatar', 'avatar/:hash'])
  async avatar(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const wanted = avatarRequest(paramsOf(request));
    const isGravatar =
      this.policy.www.avatars === 'gravatar' && (request.params as { hash?: string }).hash === undefined;
    if (isGravatar) await reply.type('text/html').redirect(gravatarOf(wanted), 302);
    else await this.sendAvatar(reply, wanted);
  }

  private async sendAvatar(reply: FastifyReply, wanted: AvatarRequest): Promise<void> {
    const found = await this.avatars.of(wanted);
    const keepSeconds = found === 'unknown' ? MINUTE_SECONDS : DAY_SECONDS;
    const picture = typeof found === 'object' ? found : { type: SVG, bytes: Buffer.from(initialsPicture(wanted)) };
    await sendPicture(reply, picture, `public, max-age=${keepSeconds}`);
  }

  /**
   * Answers with the result of a builder's latest build that has ended, of a branch if one is named.
   * @throws UserError `not-found`, `forbidden`
   */
  @Get(['badges/:file', 'plugins/badges/:file'])
  async badge(@Param('file') file: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const caller = await this.callers.of(request.headers, addressOf(request.raw));
    this.access.demand(caller, { action: 'view', resource: 'builder' });
    const name = file.replace(/\.svg$/, '');
    const builderId = file.endsWith('.svg') ? await this.reads.catalog.builderId(name) : null;
    const sight = this.sights.of(caller);
    if (builderId === null || (sight && !sight.seesBuilder(builderId)))
      throw new UserError(
        'not-found',
        `there is no badge '${printable(file, 100)}': expected a builder's name and '.svg'`,
      );
    const wanted = badgeRequest(paramsOf(request));
    const bytes = Buffer.from(badgeOf(wanted, await this.resultOf(builderId, wanted.branch)));
    await sendPicture(reply, { type: SVG, bytes }, 'no-cache');
  }

  private async resultOf(builderId: number, branch: string | null): Promise<Result | null> {
    const { rows } = await this.reads.builds.list({
      ...EVERYTHING,
      filters: [{ field: 'builderid', op: 'eq', values: [builderId] }],
      order: [{ field: 'number', descending: true }],
      limit: BUILDS_LOOKED_AT,
      properties: branch === null ? [] : ['branch'],
    });
    const build = rows.find(
      ({ complete, properties }) => complete && (branch === null || properties['branch']?.[0] === branch),
    );
    return (build?.results ?? null) as Result | null;
  }
}

function paramsOf(request: FastifyRequest): URLSearchParams {
  return new URLSearchParams((request.raw.url ?? '').split('?')[1] ?? '');
}

async function sendPicture(reply: FastifyReply, { type, bytes }: Picture, cacheControl: string): Promise<void> {
  const etag = `W/"${createHash('sha1').update(bytes).digest('base64url')}"`;
  void reply
    .headers({
      etag,
      'cache-control': cacheControl,
      'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'`,
    })
    .type(type);
  if (reply.request.headers['if-none-match'] === etag) await reply.status(304).send();
  else await reply.send(bytes);
}
