/** As much of a loop's options as is changed. */
interface LoopOptions {
  readonly name: string;
  readonly everyMs: number | null;
}

const original = (await import(new URL('../../../master/dist/loop.js?original', import.meta.url).href)) as {
  Loop: new (options: LoopOptions) => object;
};

/** A loop that turns only when it is told to: nobody finds again what a lost message hid. Repositories tell nobody, so they are polled on. */
export class Loop extends original.Loop {
  constructor(options: LoopOptions) {
    super({ ...options, everyMs: options.name.startsWith('poller:') ? options.everyMs : null });
  }
}
