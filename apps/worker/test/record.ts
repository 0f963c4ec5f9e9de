import type { CommandOutcome, CommandSink, CommandUpdate } from '@millrace/worker-protocol';
import type { Attached } from './test-master.js';

/** What engines keep of a command: each update once, by its number. */
export class Record implements CommandSink {
  stored = 0;
  readonly problems: string[] = [];
  readonly outcomes: CommandOutcome[] = [];
  chars = 0;
  lines = 0;
  text = '';

  constructor(
    private readonly workdir: string,
    readonly id: string,
    private readonly keepText = true,
    /** Called with each stored update. The promise that it returns delays the acknowledgement. */
    private readonly onStored: (number: number) => Promise<void> | void = () => undefined,
  ) {}

  updates = (batch: readonly CommandUpdate[], number: number | null): Promise<void> | void => {
    if (number === null || number > this.stored + 1) this.problems.push(`${number} follows ${this.stored}`);
    else if (number === this.stored + 1) {
      this.stored = number;
      for (const update of batch) {
        if (update.kind !== 'stdout') continue;
        this.chars += update.text.length;
        this.lines += update.text.split('\n').length - 1;
        if (this.keepText) this.text += update.text;
      }
    }
    return this.onStored(this.stored);
  };

  completed = (outcome: CommandOutcome): Promise<void> => Promise.resolve(void this.outcomes.push(outcome));

  /** Starts the command. Resolves with the outcome, or with the code of the error that ended it. */
  start({ session }: Attached, command: string, args = {}): Promise<CommandOutcome | string> {
    const started = session.startCommand(
      this.id,
      'shell',
      { workdir: this.workdir, command, logEnviron: false, ...args },
      this,
    );
    return started.catch((error: { code: string }) => error.code);
  }

  resume({ session }: Attached): Promise<CommandOutcome | string> {
    return session.resumeCommand(this.id, this).catch((error: { code: string }) => error.code);
  }
}

/** Returns the output of `seq 1 last`. */
export function sequence(last: number): string {
  return Array.from({ length: last }, (_none, index) => `${index + 1}\n`).join('');
}
