import { type CommandUpdate, type MsgpackWorkerSession, RemoteError } from '@millrace/worker-protocol';

/** The output of a fake worker's command. It is sent over the current connection; a later connection gets all of it again. */
export class FakeOutput {
  private readonly said: (readonly CommandUpdate[])[] = [];
  private sent: Promise<void>[] = [];
  private session: MsgpackWorkerSession | null = null;
  private end: { readonly failure: string | null } | null = null;

  constructor(
    private readonly id: string,
    /** Whether updates are numbered, so that a master recognises those it has received before. */
    private readonly isNumbered: boolean,
    private readonly onDelivered: () => void,
  ) {}

  attach(session: MsgpackWorkerSession): void {
    this.session = session;
    for (let number = 1; number <= this.said.length; number++) this.send(number);
    void this.sayEnd();
  }

  detach(): void {
    this.session = null;
  }

  say(updates: readonly CommandUpdate[]): void {
    this.said.push(updates);
    this.send(this.said.length);
  }

  async acknowledged(): Promise<void> {
    await Promise.all(this.sent.splice(0));
  }

  async finish(failure: string | null): Promise<void> {
    this.end = { failure };
    await this.sayEnd();
  }

  private send(number: number): void {
    if (!this.session) return;
    const { acknowledged } = this.session.sendUpdates(this.id, this.said[number - 1]!, this.isNumbered ? number : null);
    // Refusals are reported to callers that await `acknowledged`.
    acknowledged.catch(() => undefined);
    this.sent.push(acknowledged);
  }

  private async sayEnd(): Promise<void> {
    if (!this.session || !this.end) return;
    try {
      await this.session.complete(this.id, this.end.failure);
      this.onDelivered();
    } catch (error) {
      // When the connection was lost in between, the command has ended already, or another connection gets its end.
      if (error instanceof RemoteError) throw error;
    }
  }
}

interface FakeRun {
  readonly output: FakeOutput;
  readonly interruption: AbortController;
}

/**
 * The commands of a fake worker, by id, until a master has received their end. Given to several connections in turn, they go on in between.
 */
export class FakeCommands {
  private readonly runs = new Map<string, FakeRun>();
  private connection: object | null = null;

  /** Gives them to a connection. What an earlier one is told does not reach them any more. */
  take(connection: object): void {
    this.connection = connection;
  }

  isWith(connection: object): boolean {
    return this.connection === connection;
  }

  get ids(): string[] {
    return [...this.runs.keys()];
  }

  begin(id: string, isNumbered: boolean): FakeRun {
    const output = new FakeOutput(id, isNumbered, () => this.runs.delete(id));
    const run = { output, interruption: new AbortController() };
    this.runs.set(id, run);
    return run;
  }

  /**
   * Returns a held command.
   * @throws Error for one that is not held
   */
  held(id: string): FakeRun {
    const run = this.runs.get(id);
    if (!run) throw new Error(`there is no command ${id}`);
    return run;
  }

  interrupt(id: string, why: string): void {
    this.runs.get(id)?.interruption.abort(why);
  }

  forget(id: string): void {
    this.interrupt(id, 'nobody wants it any more');
    this.runs.get(id)?.output.detach();
    this.runs.delete(id);
  }

  detach(): void {
    for (const { output } of this.runs.values()) output.detach();
  }

  interruptAll(why: string): void {
    for (const { interruption } of this.runs.values()) interruption.abort(why);
  }
}
