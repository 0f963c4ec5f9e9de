import { parseJson, OperationalError, redactAddresses } from '@millrace/domain';
import { rateLimitMs } from '../core/rate-limit.js';

const REQUEST_MS = 30_000;
/** Most bytes of a page. A hundred pull requests of GitHub are about 2 MB. */
const MAX_PAGE_BYTES = 20 << 20;
const LIMITS = { maxDepth: 32, maxValues: 1_000_000, maxCharacters: MAX_PAGE_BYTES };

/** The REST API of a forge. It leaves the forge alone as long as the forge wants. */
export class ForgeApi {
  private quiet: { readonly untilMs: number; readonly until: string } | null = null;

  constructor(private readonly headers: Readonly<Record<string, string>>) {}

  /**
   * Asks for a list.
   * @param etag that of the last answer; null to get the list in any case
   * @returns null when the list is as it was
   * @throws OperationalError `forge`, `forge-rate-limit`
   */
  async list(
    url: string,
    etag: string | null,
    signal: AbortSignal,
  ): Promise<{ readonly items: readonly unknown[]; readonly etag: string | null } | null> {
    if (this.quiet !== null && performance.now() < this.quiet.untilMs) throw rateLimited(this.quiet.until);
    this.quiet = null;
    const where = redactAddresses(url.split('?', 1)[0]!);
    try {
      // A redirect is not followed: the token is for this host only.
      const response = await fetch(url, {
        headers: { ...this.headers, 'user-agent': 'millrace', ...(etag === null ? {} : { 'if-none-match': etag }) },
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)]),
      });
      this.obey(response);
      if (response.status === 304) return null;
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new OperationalError('forge', `${where} was answered with ${response.status}${hint(response.status)}`, {
          status: response.status,
        });
      }
      const items: unknown = parseJson(await textOf(response, where), LIMITS, 'the answer');
      if (!Array.isArray(items)) throw new OperationalError('forge', `${where} was not answered with a list`);
      return { items, etag: response.headers.get('etag') };
    } catch (cause) {
      if (cause instanceof OperationalError || signal.aborted) throw cause;
      const why =
        cause instanceof Error ? ((cause.cause as Error | undefined)?.message ?? cause.message) : String(cause);
      throw new OperationalError('forge', `${where} cannot be read: ${why}`, {}, { cause });
    }
  }

  /** @throws OperationalError `forge-rate-limit` when this answer is a refusal for the rate limit */
  private obey({ status, headers }: Response): void {
    const waitMs = rateLimitMs(status, (name) => headers.get(name), Date.now());
    if (waitMs === null) return;
    this.quiet = { untilMs: performance.now() + waitMs, until: new Date(Date.now() + waitMs).toISOString() };
    if (status === 403 || status === 429) throw rateLimited(this.quiet.until);
  }
}

function rateLimited(until: string): OperationalError {
  return new OperationalError('forge-rate-limit', `the forge's rate limit is used up until ${until}`, { until });
}

function hint(status: number): string {
  if (status === 401 || status === 403) return ': see tokenEnv';
  if (status === 404) return ': the repository does not exist, or the token may not see it';
  return status >= 300 && status < 400 ? ': it has moved' : '';
}

/** Reads a body of at most `MAX_PAGE_BYTES`. */
async function textOf(response: Response, where: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > MAX_PAGE_BYTES)
      throw new OperationalError('forge', `${where} was answered with more than ${MAX_PAGE_BYTES} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}
