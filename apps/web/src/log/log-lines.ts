import type { LogChunkResource } from '@millrace/contracts';
import { fetchPage } from '../data/api';
import { type Painted, Pen, resets } from './pen';

export const PAGE_LINES = 1000;
const PAGES_KEPT = 60;
const CHARACTERS_KEPT = 32_000_000;
/** Most pages fetched at a time: a user who drags through a log wants the end of the way, not all of it. */
const FETCHED_AT_ONCE = 4;
/** Number of earlier pages in which a colour is searched for that still holds. */
export const PAGES_BACK = 10;
const CHARACTERS_BACK = 2_000_000;
const RETRY_MS = 2000;

/** A line as it is shown. */
export interface Line {
  readonly stream: Stream;
  readonly painted: Painted;
}

export type Stream = 'stdout' | 'stderr' | 'header' | 'input';
const STREAMS: Readonly<Record<string, Stream>> = { o: 'stdout', e: 'stderr', h: 'header', i: 'input' };

interface LoadedPage {
  lines: string[];
  characters: number;
  isLoading: boolean;
  /** Last line of a complete page that resets colours; −1 for none. */
  lastReset: number;
  /** The pen with which `painted` began. */
  paintedBy: Pen | null;
  painted: Line[];
  /** The pen with which the next line is painted. */
  pen: Pen;
  /** The pen for consecutive lines of our own. Those and the command's lines do not affect each other's colours. */
  headerPen: Pen | null;
}

/**
 * The lines of one log, loaded by pages as they are looked at. An incomplete page (the log grows, or its lines are long) is fetched again
 * from where it ended, as long as it is wanted. Pages that nobody looked at for long are dropped. Colours hold over lines and pages: the
 * pen at the end of each page is remembered, and before the first known page some earlier pages are searched for a reset.
 */
export class LogLines {
  private readonly pages = new Map<number, LoadedPage>();
  /** The pen at the end of each page, where it is known. It is kept when the page is dropped. */
  private readonly pensAfter = new Map<number, Pen>();
  private readonly listeners = new Set<() => void>();
  private version = 0;
  private total = 0;
  private characters = 0;
  private fetching = 0;
  private error: string | null = null;
  private wanted = { from: 0, to: 0 };

  constructor(
    readonly logId: number,
    /** Whether each line begins with the letter of its stream. */
    private readonly hasLetters: boolean,
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

  /** Sets the number of lines. When it got smaller, the log is another one and everything is dropped. */
  setTotal(total: number): void {
    if (total < this.total) {
      this.pages.clear();
      this.pensAfter.clear();
      this.characters = 0;
    }
    this.total = total;
  }

  /** Returns a line; undefined while it is not loaded. */
  line(index: number): Line | undefined {
    const number = Math.floor(index / PAGE_LINES);
    const page = this.pages.get(number);
    if (!page || index % PAGE_LINES >= page.lines.length) return undefined;
    this.paint(number, page);
    return page.painted[index % PAGE_LINES];
  }

  /** Makes sure that lines `from` … `to − 1` are loaded or being fetched. */
  want(from: number, to: number): void {
    this.wanted = { from, to };
    const first = Math.floor(from / PAGE_LINES);
    for (let page = first; page * PAGE_LINES < Math.min(to, this.total); page++) this.load(page);
    this.lookBack(first);
  }

  /** Looks back one page after the other, as most logs reset their colours in the first. */
  private lookBack(first: number): void {
    let characters = 0;
    for (let number = first - 1; number >= Math.max(0, first - PAGES_BACK); number--) {
      if (this.penAfter(first - 1) || characters > CHARACTERS_BACK) return;
      const page = this.pages.get(number);
      if (!page || page.lines.length < PAGE_LINES) return this.load(number);
      characters += page.characters;
    }
  }

  private load(number: number): void {
    const page = this.pages.get(number) ?? emptyPage();
    const expected = Math.min(PAGE_LINES, this.total - number * PAGE_LINES);
    const isMissing = !page.isLoading && page.lines.length < expected;
    if (isMissing && this.fetching >= FETCHED_AT_ONCE) return;
    // Added again at the end, as the most recently wanted page.
    this.pages.delete(number);
    this.pages.set(number, page);
    if (isMissing) this.fetch(number, page);
  }

  private fetch(number: number, page: LoadedPage): void {
    page.isLoading = true;
    this.fetching += 1;
    let came = false;
    this.fetchLines(number * PAGE_LINES + page.lines.length, PAGE_LINES - page.lines.length)
      .then(
        (text) => {
          this.error = null;
          came = text !== '';
          if (came && this.pages.get(number) === page) this.append(page, text);
        },
        (error: Error) => (this.error = error.message),
      )
      .finally(() => {
        page.isLoading = false;
        this.fetching -= 1;
        this.evict();
        this.version += 1;
        for (const listener of this.listeners) listener();
        if (came) this.wantStill();
        else setTimeout(() => this.wantStill(), this.retryMs);
      });
  }

  private append(page: LoadedPage, text: string): void {
    for (const line of text.slice(0, text.endsWith('\n') ? -1 : undefined).split('\n')) page.lines.push(line);
    page.characters += text.length;
    this.characters += text.length;
    if (page.lines.length >= PAGE_LINES)
      page.lastReset = page.lines.findLastIndex((line) => this.streamOf(line) !== 'header' && resets(line));
  }

  private paint(number: number, page: LoadedPage): void {
    const start = this.penAfter(number - 1) ?? PLAIN;
    if (page.paintedBy !== start) {
      page.paintedBy = start;
      page.painted = [];
      page.pen = start.copy();
      page.headerPen = null;
    }
    for (let i = page.painted.length; i < page.lines.length; i++) {
      const line = page.lines[i]!;
      const stream = this.streamOf(line);
      page.headerPen = stream === 'header' ? (page.headerPen ?? PLAIN.copy()) : null;
      page.painted.push({ stream, painted: (page.headerPen ?? page.pen).paint(this.textOf(line)) });
    }
  }

  /** Returns the pen after a page; null when the loaded pages do not tell. */
  private penAfter(number: number): Pen | null {
    if (number < 0) return PLAIN;
    const known = this.pensAfter.get(number);
    if (known) return known;
    const page = this.pages.get(number);
    if (!page || page.lines.length < PAGE_LINES) return null;
    const start = page.lastReset >= 0 ? PLAIN : this.penAfter(number - 1);
    if (!start) return null;
    const pen = start.copy();
    for (let i = Math.max(0, page.lastReset); i < page.lines.length; i++) {
      // Our own lines do not affect the program's colours.
      if (this.streamOf(page.lines[i]!) !== 'header') pen.paint(this.textOf(page.lines[i]!));
    }
    this.pensAfter.set(number, pen);
    return pen;
  }

  private streamOf(line: string): Stream {
    return this.hasLetters ? (STREAMS[line[0] ?? ''] ?? 'stdout') : 'stdout';
  }

  private textOf(line: string): string {
    return this.hasLetters ? line.slice(1) : line;
  }

  private wantStill(): void {
    if (this.listeners.size > 0) this.want(this.wanted.from, this.wanted.to);
  }

  private evict(): void {
    for (const [number, page] of this.pages) {
      const isWanted = (number + 1) * PAGE_LINES > this.wanted.from && number * PAGE_LINES < this.wanted.to;
      if ((this.pages.size <= PAGES_KEPT && this.characters <= CHARACTERS_KEPT) || isWanted) return;
      this.pages.delete(number);
      this.characters -= page.characters;
    }
  }
}

const PLAIN = Pen.plain();

function emptyPage(): LoadedPage {
  return {
    lines: [],
    characters: 0,
    isLoading: false,
    lastReset: -1,
    paintedBy: null,
    painted: [],
    pen: PLAIN,
    headerPen: null,
  };
}

async function linesOf(logId: number, offset: number, limit: number): Promise<string> {
  const { items } = await fetchPage<LogChunkResource>(
    `logs/${logId}/contents?offset=${offset}&limit=${limit}`,
    'logchunks',
  );
  return items[0]?.content ?? '';
}
