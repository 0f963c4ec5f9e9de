import type { Hint } from '@millrace/contracts';
import { type HintHandler, Hints } from '@millrace/master';

/** Hints within one process, without a bus. */
export class LocalHints extends Hints {
  readonly state = 'off';
  readonly published: Hint[] = [];
  private readonly handlers = new Set<{ readonly prefix: string; readonly handler: HintHandler }>();

  publish(hint: Hint): void {
    this.published.push(hint);
    const { topic, payload } = hint;
    for (const { prefix, handler } of this.handlers)
      if (topic === prefix || topic.startsWith(`${prefix}.`)) handler(topic, payload);
  }

  subscribe(prefix: string, handler: HintHandler): () => void {
    const entry = { prefix, handler };
    this.handlers.add(entry);
    return () => void this.handlers.delete(entry);
  }

  onState(): () => void {
    return () => undefined;
  }

  /** Number of subscribers. */
  get listeners(): number {
    return this.handlers.size;
  }
}
