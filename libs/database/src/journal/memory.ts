import { slugBase } from '../logs.js';

export interface LogState {
  readonly logId: number;
  readonly stepId: number;
  readonly slug: string;
  lines: number;
  /** The number of lines that its row tells. */
  linesTold: number;
  /** How many chunks its lines are in, as far as that decides whether merging them is worth a try. */
  chunks: 'none' | 'one' | 'several';
}

/** The journal's knowledge of a build, so that appending costs no reads. */
export class BuildMemory {
  readonly steps = new Map<number, number>();
  readonly logs = new Map<string, LogState>();
  readonly slugs = new Set<string>();
  /** The last number given, by step and common beginning of slugs. */
  readonly numbers = new Map<string, number>();

  addLog(step: number, name: string, log: LogState): void {
    this.logs.set(key(step, name), log);
    this.slugs.add(key(step, log.slug));
  }
}

/** The knowledge together with a transaction's additions. It costs only as much as it adds, and is forgotten when the transaction fails. */
export class StagedMemory {
  private readonly added = new BuildMemory();

  constructor(private readonly before = new BuildMemory()) {}

  step(number: number): number | undefined {
    return this.added.steps.get(number) ?? this.before.steps.get(number);
  }

  addStep(number: number, stepId: number): void {
    this.added.steps.set(number, stepId);
  }

  /** Whether a log of the build is in several chunks. */
  get isFragmented(): boolean {
    return [...this.before.logs.values(), ...this.added.logs.values()].some(({ chunks }) => chunks === 'several');
  }

  /** Returns the state of a log, whose line count may be increased. */
  log(step: number, name: string): LogState | undefined {
    const log = this.added.logs.get(key(step, name));
    if (log) return log;
    const before = this.before.logs.get(key(step, name));
    if (!before) return undefined;
    const copy = { ...before };
    this.added.logs.set(key(step, name), copy);
    return copy;
  }

  addLog(step: number, name: string, log: LogState): LogState {
    this.added.addLog(step, name, log);
    return log;
  }

  /** Returns an identifier for a new log, unique in its step (`_2`, `_3`, …). It takes equally long however many share its beginning. */
  newSlug(step: number, name: string): string {
    const base = slugBase(name);
    const has = (slug: string): boolean =>
      this.added.slugs.has(key(step, slug)) || this.before.slugs.has(key(step, slug));
    if (!has(base)) return base;
    const baseKey = key(step, base);
    let n = this.added.numbers.get(baseKey) ?? this.before.numbers.get(baseKey) ?? 1;
    do n++;
    while (has(`${base}_${n}`));
    this.added.numbers.set(baseKey, n);
    return `${base}_${n}`;
  }

  /** Keeps the additions, after the transaction was committed. */
  keep(): BuildMemory {
    for (const [number, stepId] of this.added.steps) this.before.steps.set(number, stepId);
    for (const [name, log] of this.added.logs) this.before.logs.set(name, log);
    for (const slug of this.added.slugs) this.before.slugs.add(slug);
    for (const [base, number] of this.added.numbers) this.before.numbers.set(base, number);
    return this.before;
  }
}

function key(step: number, name: string): string {
  return `${step}/${name}`;
}
