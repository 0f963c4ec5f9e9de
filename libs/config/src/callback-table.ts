// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever signature the vocabulary gives a callback
export type Callback = (...args: any[]) => unknown;

/** Callbacks by handle; filled while compiling. */
export class CallbackTable extends Map<string, Callback> {
  /** The handle of the callback at `path` (`schedulers[3].isImportant` → `schedulers.3.isImportant`). */
  keep(path: string, callback: unknown): string {
    const handle = path.replaceAll('[', '.').replaceAll(']', '');
    this.set(handle, callback as Callback);
    return handle;
  }
}
