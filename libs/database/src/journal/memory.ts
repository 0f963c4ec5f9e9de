import type { StepsSoFar } from '../claims/ending.js';
import { type LogType, slugBase } from '../logs.js';
import type { Queryable } from '../sql.js';

/** Returns the id of a row, once the statement that inserts it was sent. */
export type RowId = () => number;

export interface StepState {
  readonly id: RowId;
  /** Whether the step has not ended. That of an earlier engine counts as open: what it left open is ended with the build. */
  isOpen: boolean;
  /** Whether there are rows of its logs. */
  hasLogs: boolean;
}

export interface LogState {
  /** Null until its first lines are written, and its row with them. */
  id: RowId | null;
  readonly step: number;
  readonly name: string;
  readonly slug: string;
  readonly type: LogType;
  lines: number;
  /** How many chunks its lines are in, as far as that decides whether merging them is worth a try. */
  chunks: 'none' | 'one' | 'several';
}

/** The journal's knowledge of a build, so that appending costs no reads. */
export class BuildMemory {
  readonly steps = new Map<number, StepState>();
  readonly logs = new Map<string, LogState>();
  readonly slugs = new Set<string>();
  /** The last number given, by step and common beginning of slugs. */
  readonly numbers = new Map<string, number>();

  addLog(log: LogState): void {
    this.logs.set(key(log.step, log.name), log);
    this.slugs.add(key(log.step, log.slug));
  }
}

/** The knowledge together with a transaction's additions. It costs only as much as it adds, and is forgotten when the transaction fails. */
export class StagedMemory {
  private readonly added = new BuildMemory();

  constructor(private readonly before = new BuildMemory()) {}

  /** Returns the state of a step, which may be changed. */
  step(number: number): StepState | undefined {
    return stagedOf(this.added.steps, this.before.steps, number);
  }

  addStep(number: number, id: RowId): StepState {
    const step: StepState = { id, isOpen: true, hasLogs: false };
    this.added.steps.set(number, step);
    return step;
  }

  /** Whether this transaction inserts the step. */
  isNew(number: number): boolean {
    return this.added.steps.has(number) && !this.before.steps.has(number);
  }

  get steps(): StepsSoFar {
    const numbers = new Set([...this.before.steps.keys(), ...this.added.steps.keys()]);
    if (numbers.size === 0) return 'none';
    return [...numbers].some((number) => this.step(number)!.isOpen) ? 'open' : 'ended';
  }

  /** Whether a log of the build is in several chunks. */
  get isFragmented(): boolean {
    return [...this.before.logs.values(), ...this.added.logs.values()].some(({ chunks }) => chunks === 'several');
  }

  /** Returns the state of a log, whose line count may be increased. */
  log(step: number, name: string): LogState | undefined {
    return stagedOf(this.added.logs, this.before.logs, key(step, name));
  }

  addLog(step: number, name: string, type: LogType): LogState {
    const slug = this.newSlug(step, name);
    const log: LogState = { id: null, step, name, slug, type, lines: 0, chunks: 'none' };
    this.added.addLog(log);
    return log;
  }

  /** Returns an identifier for a new log, unique in its step (`_2`, `_3`, …). It takes equally long however many share its beginning. */
  private newSlug(step: number, name: string): string {
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

  /** Reads the ids of the rows that were inserted, when they were committed and the answers that tell them were lost. */
  async recall(db: Queryable, buildId: number): Promise<void> {
    const { steps, logs } = await readMemory(db, buildId);
    for (const [number, step] of this.added.steps) this.added.steps.set(number, { ...step, id: steps.get(number)!.id });
    for (const [name, log] of this.added.logs) log.id = logs.get(name)!.id;
  }

  /** Keeps the additions, after the transaction was committed. */
  keep(): BuildMemory {
    for (const [number, step] of this.added.steps) this.before.steps.set(number, step);
    for (const [name, log] of this.added.logs) this.before.logs.set(name, log);
    for (const slug of this.added.slugs) this.before.slugs.add(slug);
    for (const [base, number] of this.added.numbers) this.before.numbers.set(base, number);
    return this.before;
  }
}

/** Returns a copy of what was there before, which is an addition from then on. */
function stagedOf<K, V extends object>(added: Map<K, V>, before: ReadonlyMap<K, V>, at: K): V | undefined {
  const staged = added.get(at);
  const known = staged ? undefined : before.get(at);
  if (!known) return staged;
  const copy = { ...known };
  added.set(at, copy);
  return copy;
}

/** Reads what is recorded about a build. */
export async function readMemory(db: Queryable, buildId: number): Promise<BuildMemory> {
  const memory = new BuildMemory();
  const steps = await db.all<{ id: number; number: number }>(`SELECT id, number FROM steps WHERE build_id = ?`, [
    buildId,
  ]);
  for (const { id, number } of steps) memory.steps.set(number, { id: () => id, isOpen: true, hasLogs: true });
  const numbers = new Map(steps.map(({ id, number }) => [id, number]));
  const logs = await db.all<{ id: number; stepId: number; name: string; slug: string; type: LogType; lines: number }>(
    `SELECT id, step_id AS stepId, name, slug, type, num_lines AS \`lines\` FROM logs WHERE build_id = ?`,
    [buildId],
  );
  for (const { id, stepId, name, slug, type, lines } of logs) {
    const step = numbers.get(stepId)!;
    memory.addLog({ id: () => id, step, name, slug, type, lines, chunks: 'several' });
  }
  return memory;
}

function key(step: number, name: string): string {
  return `${step}/${name}`;
}
