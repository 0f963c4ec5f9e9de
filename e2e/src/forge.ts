import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const RECORDED = join(import.meta.dirname, '../../libs/config/test/pull-requests');

/** A server that answers as the APIs of GitHub and GitLab do, with a recorded pull request and a recorded merge request. */
export class Forge {
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Forge> {
    const answers: Readonly<Record<string, string>> = {
      '/repos/acme/widget/pulls': readFileSync(join(RECORDED, 'github.json'), 'utf8'),
      '/projects/acme%2Fwidget/merge_requests': readFileSync(join(RECORDED, 'gitlab.json'), 'utf8'),
    };
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://forge');
      const answer = searchParams.get('page') === '1' ? answers[pathname] : '[]';
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(answer);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new Forge(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }
}
