import { fetchPage } from '../data/api';
import type { LogChunkResource } from '@millrace/contracts';

export const PAGE_LINES = 1000;
const PAGES_KEPT = 60;
const RETRY_MS = 2000;

interface LoadedPage {
  lines: readonly string[];
  loading: boolean;
}

/**
 * The lines of one log, loaded by pages as they are looked at. A page that came in part (the log grows, or its lines are long) is asked
 * for again from where it ended, as long as it is wanted; pages that nobody looked at for long are dropped.
 */
export class LogLines {
  private readonly pages = new Map<number, LoadedPage>();
  private readonly listeners = new Set<() => void>();
  private version = 0;
  private total = 0;
  private error: string | null = null;
  private wanted = { from: 0, to: 0 };

  constructor(
    readonly logId: number,
    private readonly fetchLines: (offset: number, limit: number) => Promise<string> = (offset, limit) =>
      linesOf(logId, offset, limit),
    private readonly retryMs = RETRY_MS,
  ) {}

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  getVersion = (): number => this.version;

  get problem(): string | null {
    return this.error;
  }

  setTotal(total: number): void {
    this.total = Math.max(this.total, total);
  }

  /** Undefined: not there yet; it is being fetched. */
  line(index: number): string | undefined {
    return this.pages.get(Math.floor(index / PAGE_LINES))?.lines[index % PAGE_LINES];
  }

  /** Sees to it that lines `from` … `to − 1` are there or on their way. */
  want(from: number, to: number): void {
    this.wanted = { from, to };
    for (let page = Math.floor(from / PAGE_LINES); page * PAGE_LINES < Math.min(to, this.total); page++)
      this.load(page);
  }

  private load(number: number): void {
    const page = this.pages.get(number) ?? { lines: [], loading: false };
    // Kept last, as the one most recently wanted.
    this.pages.delete(number);
    this.pages.set(number, page);
    const expected = Math.min(PAGE_LINES, this.total - number * PAGE_LINES);
    if (page.loading || page.lines.length >= expected) return;
    page.loading = true;
    let came = false;
    this.fetchLines(number * PAGE_LINES + page.lines.length, PAGE_LINES - page.lines.length)
      .then(
        (text) => {
          this.error = null;
          came = text !== '';
          if (came) page.lines = [...page.lines, ...text.slice(0, text.endsWith('\n') ? -1 : undefined).split('\n')];
        },
        (error: Error) => (this.error = error.message),
      )
      .finally(() => {
        page.loading = false;
        this.evict();
        this.version += 1;
        for (const listener of this.listeners) listener();
        if (came) this.wantStill();
        else setTimeout(() => this.wantStill(), this.retryMs);
      });
  }

  private wantStill(): void {
    if (this.listeners.size > 0) this.want(this.wanted.from, this.wanted.to);
  }

  private evict(): void {
    for (const number of this.pages.keys()) {
      if (this.pages.size <= PAGES_KEPT) return;
      this.pages.delete(number);
    }
  }
}

async function linesOf(logId: number, offset: number, limit: number): Promise<string> {
  const { items } = await fetchPage<LogChunkResource>(
    `logs/${logId}/contents?offset=${offset}&limit=${limit}`,
    'logchunks',
  );
  return items[0]?.content ?? '';
}
