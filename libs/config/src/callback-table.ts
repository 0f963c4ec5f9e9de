// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever signature the vocabulary gives a callback
export type Callback = (...args: any[]) => unknown;

/** Callbacks by handle; filled while compiling. */
export class CallbackTable extends Map<string, Callback> {
  /** What each does, for the fingerprint. */
  readonly texts = new Map<string, string>();

  /**
   * The handle of the callback at `path` (`schedulers[3].isImportant` → `schedulers.3.isImportant`).
   *
   * @param text its source text; that of what it was made from, where we have made it
   */
  keep(path: string, callback: unknown, text: string = String(callback)): string {
    const handle = path.replaceAll('[', '.').replaceAll(']', '');
    this.set(handle, callback as Callback);
    this.texts.set(handle, text);
    return handle;
  }
}
