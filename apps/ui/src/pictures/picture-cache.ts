import type { Picture } from './fetch-picture.js';

/** A small thing is kept with its key, and costs about this much. */
const ENTRY_BYTES = 500;

interface Entry {
  /** Null: there is no picture. */
  readonly picture: Picture | null;
  readonly bytes: number;
  readonly untilMs: number;
}

/** Keeps pictures, and that there is none, for a time and within a number of bytes. What was not asked for the longest goes first. */
export class PictureCache {
  private readonly entries = new Map<string, Entry>();
  private bytes = 0;

  constructor(
    private readonly limits: { readonly maxBytes: number; readonly pictureMs: number; readonly nothingMs: number },
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  get heldBytes(): number {
    return this.bytes;
  }

  /** Returns what is known of an address; undefined when it has to be asked. */
  get(address: string): Picture | null | undefined {
    const entry = this.entries.get(address);
    if (!entry) return undefined;
    this.drop(address, entry);
    if (entry.untilMs <= this.nowMs()) return undefined;
    this.add(address, entry);
    return entry.picture;
  }

  set(address: string, picture: Picture | null): void {
    const former = this.entries.get(address);
    if (former) this.drop(address, former);
    const { pictureMs, nothingMs, maxBytes } = this.limits;
    const bytes = ENTRY_BYTES + address.length + (picture?.bytes.length ?? 0);
    this.add(address, { picture, bytes, untilMs: this.nowMs() + (picture ? pictureMs : nothingMs) });
    for (const [oldest, entry] of this.entries) {
      if (this.bytes <= maxBytes) break;
      this.drop(oldest, entry);
    }
  }

  private add(address: string, entry: Entry): void {
    this.entries.set(address, entry);
    this.bytes += entry.bytes;
  }

  private drop(address: string, entry: Entry): void {
    this.entries.delete(address);
    this.bytes -= entry.bytes;
  }
}
