import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { messageOf, printable } from '@millrace/domain';
import type { ListenerOptions } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ControlApi } from '../control/control-api.js';
import { UI_HOST, type UiHost } from '../host.js';
import { ANONYMOUS } from '../resources/caller.js';
import { type Answer, RestApi } from './rest-api.js';
import { SharedReads } from './shared-reads.js';

const PREFIX = /^\/api\/(?:v2|latest)(?:\/|$)/;
const ERROR_TYPE = 'text/plain; charset=utf-8';

/** What the UI's HTTP listener has beyond what all have: `/ws`, and the answer of Buildbot's API to pages from elsewhere. */
export const UI_LISTENER: Omit<ListenerOptions, 'rule'> = {
  upgrades: true,
  refusedAs: (path, method, { status }) => {
    if (status !== 403 || !(path === '/api' || path.startsWith('/api/'))) return null;
    return { status: 400, body: { error: method === 'POST' ? { message: 'invalid origin' } : 'invalid origin' } };
  },
};

/** HTTP around `/api`: methods, CORS, and the split into path and query. */
@Injectable()
export class ApiDispatcher {
  private readonly shared = new SharedReads<Answer>();

  constructor(
    private readonly rest: RestApi,
    private readonly control: ControlApi,
    @Inject(UI_HOST) private readonly host: UiHost,
  ) {}

  async versions(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!this.admit(request, reply)) return;
    await reply
      .type('application/json')
      .send(JSON.stringify({ api_versions: { v2: `${this.host.settings.publicUrl}/api/v2` } }));
  }

  async handle(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!this.admit(request, reply)) return;
    const url = request.raw.url ?? '';
    const question = url.indexOf('?');
    const fullPath = question < 0 ? url : url.slice(0, question);
    const prefix = PREFIX.exec(fullPath)?.[0];
    const path = prefix === undefined ? undefined : fullPath.slice(prefix.length);
    // `/api/v2` lists the roots, `/api/v2/` is no path.
    if (path === undefined || (path === '' && prefix!.endsWith('/'))) {
      return fail(reply, 404, `Invalid path: ${printable(fullPath.replace(/^\/api\/?/, ''), 200)}`);
    }
    if (request.method === 'POST') {
      const body = typeof request.body === 'string' ? request.body : '';
      const answer = await this.control.post(ANONYMOUS, path, request.headers['content-type'] ?? '', body);
      await reply.status(answer.status).header('content-type', 'application/json').send(answer.body);
      return;
    }
    const params = new URLSearchParams(question < 0 ? '' : url.slice(question + 1));
    const accept = request.headers.accept?.includes('application/json') ? 'application/json' : '';
    const read = (): Promise<Answer> =>
      this.rest.get(ANONYMOUS, path, params, accept).catch((error: unknown) => this.internal(path, error));
    const answer = this.rest.isStream(path) ? await read() : await this.shared.read(`${accept} ${url}`, read);
    const body = typeof answer.body === 'string' ? answer.body : Readable.from(answer.body, { objectMode: false });
    await reply.status(answer.status).headers(answer.headers).send(body);
  }

  private internal(path: string, error: unknown): Answer {
    this.host.log.error({ err: error, path }, `request failed: ${messageOf(error)}`);
    const body = JSON.stringify({ error: 'internal error; the log of this master says more' });
    return { status: 500, headers: { 'content-type': ERROR_TYPE }, body };
  }

  /** False: answered already. */
  private admit(request: FastifyRequest, reply: FastifyReply): boolean {
    // One that may not ask has not come so far.
    const { origin } = request.headers;
    if (origin !== undefined) {
      void reply.headers({
        'access-control-allow-origin': origin,
        'access-control-allow-headers': 'Content-Type',
        'access-control-max-age': '3600',
        vary: 'origin',
      });
    }
    if (request.method === 'OPTIONS') {
      void reply.status(200).send('');
      return false;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD' && request.method !== 'POST') {
      fail(reply, 400, 'invalid HTTP method');
      return false;
    }
    return true;
  }
}

function fail(reply: FastifyReply, status: number, error: string): void {
  void reply.status(status).type(ERROR_TYPE).send(JSON.stringify({ error }));
}
