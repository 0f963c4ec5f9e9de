/** Limits how many bytes of bodies are held at a time. Whoever has no proof in the head of a request could fill the memory otherwise. */
export class ByteBudget {
  private taken = 0;

  constructor(private readonly maxBytes: number) {}

  /** Takes bytes. Returns false, and takes nothing, when there are not enough. */
  take(bytes: number): boolean {
    if (this.taken + bytes > this.maxBytes) return false;
    this.taken += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.taken -= bytes;
  }
}
