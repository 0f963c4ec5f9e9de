import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A listener that records what it receives. */
abstract class Listener {
  protected readonly server: Server = createServer((request, response) => this.answer(request, response));

  async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  protected abstract answer(request: IncomingMessage, response: ServerResponse): void;
}

/** Git over HTTP with a password: `git http-backend` behind a login. */
export class GitServer extends Listener {
  /** Target of redirects from `/elsewhere/…`. */
  elsewhere = '';

  constructor(
    private readonly folder: string,
    private readonly login: string,
  ) {
    super();
  }

  protected answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname.startsWith('/elsewhere/')) {
      response.writeHead(302, { location: `${this.elsewhere}${pathname}${search}` }).end();
      return;
    }
    if (request.headers.authorization !== `Basic ${Buffer.from(this.login).toString('base64')}`) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env['PATH'],
        GIT_PROJECT_ROOT: this.folder,
        GIT_HTTP_EXPORT_ALL: '1',
        REMOTE_USER: 'ci',
        REQUEST_METHOD: request.method,
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    request.pipe(backend.stdin);
    backend.stdin.on('error', () => undefined);
    const parts: Buffer[] = [];
    backend.stdout.on('data', (part: Buffer) => parts.push(part));
    backend.on('close', () => {
      const all = Buffer.concat(parts);
      const end = all.indexOf('\r\n\r\n');
      const headers = all
        .subarray(0, end)
        .toString('latin1')
        .split('\r\n')
        .map((line) => line.split(/: (.*)/s, 2) as [string, string]);
      const status = headers.find(([name]) => name.toLowerCase() === 'status')?.[1];
      response.writeHead(
        status ? Number.parseInt(status, 10) : 200,
        Object.fromEntries(headers.filter(([name]) => name.toLowerCase() !== 'status')),
      );
      response.end(all.subarray(end + 4));
    });
  }
}

/** A server that tries to get passwords: it asks for one, and records whatever is sent. */
export class Thief extends Listener {
  readonly loot: string[] = [];

  protected answer(request: IncomingMessage, response: ServerResponse): void {
    this.loot.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`);
    request.on('data', (part: Buffer) => this.loot.push(part.toString('latin1')));
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
  }
}
