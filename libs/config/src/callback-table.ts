// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever signature the vocabulary gives a callback
export type Callback = (...args: any[]) => unknown;

/** Callbacks by handle. The table is filled while compiling. */
export class CallbackTable extends Map<string, Callback> {
  /** Source texts of the callbacks, for the fingerprint. */
  readonly texts = new Map<string, string>();

  /**
   * Adds a callback and returns its handle, which is made of its path (`schedulers[3].isImportant` → `schedulers.3.isImportant`).
   *
   * @param text the callback's source text; for a callback that we made, the text of the value it was made from
   */
  keep(path: string, callback: unknown, text: string = String(callback)): string {
    const handle = path.replaceAll('[', '.').replaceAll(']', '');
    this.set(handle, callback as Callback);
    this.texts.set(handle, text);
    return handle;
  }
}
