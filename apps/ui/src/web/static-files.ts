import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

export interface StaticAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

interface StoredFile {
  readonly type: string;
  readonly etag: string;
  readonly hashed: boolean;
  readonly plain: Buffer;
  readonly br: Buffer | null;
  readonly gzip: Buffer | null;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
};

const COMPRESSIBLE = new Set(['.html', '.js', '.css', '.svg', '.json', '.txt', '.webmanifest']);

const PAGE_POLICY = [
  `default-src 'none'`,
  `script-src 'self'`,
  `style-src 'self' 'unsafe-inline'`,
  `img-src 'self' data:`,
  `connect-src 'self'`,
  `manifest-src 'self'`,
  `base-uri 'none'`,
  `form-action 'self'`,
  `frame-ancestors 'none'`,
].join('; ');

const NOT_BUILT = Buffer.from(
  '<!doctype html><title>Millrace</title><p>The web app is not built: run <code>npm run build</code> and restart. The API is at <a href="/api/v2/builders">/api/v2</a>.',
);

/** The built web app, held in memory compressed: some hundred kilobytes. */
export class StaticFiles {
  private readonly files = new Map<string, StoredFile>();

  constructor(folder: string) {
    for (const path of listFiles(folder)) this.files.set(`/${path}`, load(join(folder, path), path));
  }

  /** Every path that is no file is one of the app's own pages. */
  get(path: string, acceptEncoding: string, ifNoneMatch: string | undefined): StaticAnswer {
    const file = this.files.get(path);
    if (file) return answer(file, acceptEncoding, ifNoneMatch);
    if (path.startsWith('/assets/') || /\.[a-z]{2,4}$/.test(path)) {
      return { status: 404, headers: { 'content-type': TYPES['.txt']! }, body: Buffer.from('not found\n') };
    }
    const index = this.files.get('/index.html');
    if (index) return answer(index, acceptEncoding, ifNoneMatch);
    return { status: 503, headers: { 'content-type': TYPES['.html']!, 'cache-control': 'no-store' }, body: NOT_BUILT };
  }
}

function answer(file: StoredFile, acceptEncoding: string, ifNoneMatch: string | undefined): StaticAnswer {
  const headers: Record<string, string> = {
    'content-type': file.type,
    etag: file.etag,
    vary: 'accept-encoding',
    'cache-control': file.hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    'x-content-type-options': 'nosniff',
  };
  if (file.type === TYPES['.html']) {
    headers['content-security-policy'] = PAGE_POLICY;
    headers['referrer-policy'] = 'same-origin';
  }
  if (ifNoneMatch === file.etag) return { status: 304, headers, body: Buffer.alloc(0) };
  if (file.br && /\bbr\b/.test(acceptEncoding))
    return { status: 200, headers: { ...headers, 'content-encoding': 'br' }, body: file.br };
  if (file.gzip && /\bgzip\b/.test(acceptEncoding)) {
    return { status: 200, headers: { ...headers, 'content-encoding': 'gzip' }, body: file.gzip };
  }
  return { status: 200, headers, body: file.plain };
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.map'))
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(folder.length + 1)
          .replaceAll('\\', '/'),
      );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function load(file: string, path: string): StoredFile {
  const plain = readFileSync(file);
  const extension = extname(path);
  const compress = COMPRESSIBLE.has(extension) && plain.length > 1000;
  return {
    type: TYPES[extension] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(plain).digest('hex').slice(0, 20)}"`,
    hashed: path.startsWith('assets/'),
    plain,
    br: compress ? brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }) : null,
    gzip: compress ? gzipSync(plain) : null,
  };
}
