/** The changed options of a loop. */
interface LoopOptions {
  readonly name: string;
  readonly everyMs: number | null;
}

const original = (await import(new URL('../../../master/dist/loop.js?original', import.meta.url).href)) as {
  Loop: new (options: LoopOptions) => object;
};

/**
 * A loop that runs only when nudged, so that a lost message is never made up for. Repositories send no messages, so they are still polled.
 */
export class Loop extends original.Loop {
  constructor(options: LoopOptions) {
    super({ ...options, everyMs: options.name.startsWith('poller:') ? options.everyMs : null });
  }
}
