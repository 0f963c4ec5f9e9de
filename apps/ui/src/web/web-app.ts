import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { SETTINGS, type UiSettings } from '@millrace/master';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** `string`: the folder of the built web app. */
export const WEB_FOLDER = Symbol('WEB_FOLDER');
export const BUILT_WEB = fileURLToPath(new URL('../../../web/dist', import.meta.url));

const PAGE_POLICY = [
  `default-src 'none'`,
  `script-src 'self'`,
  `style-src 'self' 'unsafe-inline'`,
  `img-src 'self' data: blob:`,
  `connect-src 'self'`,
  `manifest-src 'self'`,
  `base-uri 'none'`,
  `form-action 'self'`,
  `frame-ancestors 'none'`,
].join('; ');

const PAGE_HEADERS: [string, string][] = [
  ['content-security-policy', PAGE_POLICY],
  ['referrer-policy', 'same-origin'],
];

const NOT_BUILT =
  '<!doctype html><title>Millrace</title><p>The web app is not built: run <code>npm run build</code> and restart. The API is at <a href="/api/v2/builders">/api/v2</a>.';

/** A file in the root folder, such as an icon. Paths below other folders are not matched, because builders may have names like files. */
const ROOT_FILE = /^\/[\w-]+\.[a-z\d]{2,11}$/i;

/** The addresses of the app's pages, as its routes have them. Any other is answered 404, with the page that says so. */
const PAGES =
  /^\/(?:$|(?:waterfall|builders|builds|pending|pendingbuildrequests|requests|buildrequests|changes|deliveries|workers|schedulers|locks|audit|login|masters|configuration)(?:\/|$))/;

/** The built web app: compressed files, those in `assets/` named by their content. */
@Injectable()
export class WebApp implements OnModuleInit {
  /** Null when the app is not built. */
  private readonly page: { readonly text: string; readonly etag: string } | null;

  constructor(
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
    @Inject(WEB_FOLDER) private readonly folder: string,
    @Inject(SETTINGS) { listenerRule: { publicPath } }: Pick<UiSettings, 'listenerRule'>,
  ) {
    const file = join(folder, 'index.html');
    this.page = existsSync(file) ? pageBelow(publicPath, readFileSync(file, 'utf8')) : null;
  }

  /** Serves the assets, and enables `send`. */
  async onModuleInit(): Promise<void> {
    if (!this.page) return;
    const assets = join(this.folder, 'assets');
    await this.adapterHost.httpAdapter.getInstance<FastifyInstance>().register(fastifyStatic, {
      root: assets,
      prefix: '/assets/',
      index: false,
      dotfiles: 'ignore',
      preCompressed: true,
      cacheControl: false,
      setHeaders: (reply, path) => {
        for (const [name, value] of headersOf(path, path.startsWith(assets))) reply.setHeader(name, value);
      },
    });
  }

  /** Sends a file, or the app's page: its pages are shown by scripts, that of a wrong address, too. */
  send(reply: FastifyReply, path: string): FastifyReply {
    if (!this.page)
      return reply.status(503).type('text/html; charset=utf-8').header('cache-control', 'no-store').send(NOT_BUILT);
    if (ROOT_FILE.test(path)) return reply.sendFile(path.slice(1), this.folder);
    const { text, etag } = this.page;
    for (const [name, value] of headersOf('index.html', false)) void reply.header(name, value);
    void reply.type('text/html; charset=utf-8').header('etag', etag);
    if (!PAGES.test(path)) return reply.status(404).send(text);
    return reply.request.headers['if-none-match'] === etag ? reply.status(304).send() : reply.send(text);
  }
}

/** Returns the app's page for a site below a path: its files are there, and the app is told. */
function pageBelow(publicPath: string, built: string): { readonly text: string; readonly etag: string } {
  const text = built
    .replace(/ (href|src)="\//g, ` $1="${publicPath}/`)
    .replace('<div id="root"', `<div id="root" data-path="${publicPath}"`);
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` };
}

function headersOf(path: string, isAsset: boolean): [string, string][] {
  const isPage = /\.html(\.br|\.gz)?$/.test(path);
  return [
    ['cache-control', isAsset ? 'public, max-age=31536000, immutable' : 'no-cache'],
    ['vary', 'accept-encoding'],
    ['x-content-type-options', 'nosniff'],
    ...(isPage ? PAGE_HEADERS : []),
  ];
}
