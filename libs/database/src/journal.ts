import {
  FencedError,
  MillraceError,
  OperationalError,
  type Properties,
  type Result,
  uuidToBytes,
} from '@millrace/domain';
import {
  type BuildEnd,
  type BuildKey,
  claimedOf,
  claimIn,
  type ClaimCandidate,
  type ClaimedBuild,
  type EndedBuild,
  endBuildIn,
} from './claims.js';
import { BuildMemory, type LogState, StagedMemory } from './journal-memory.js';
import { encodeChunk, type LogType } from './logs.js';
import type { Incarnation } from './masters.js';
import type { Database, Transaction } from './sql.js';

/** One thing that happened in a build. */
export type BuildEntry =
  /** `resumable`: it may be replayed when it is interrupted half-way (I9). */
  | {
      readonly kind: 'step-started';
      readonly number: number;
      readonly name: string;
      readonly hidden: boolean;
      readonly resumable?: boolean;
    }
  /** `urls` are additions; one that is there already is not added again. */
  | {
      readonly kind: 'step-changed';
      readonly number: number;
      readonly stateString?: string;
      readonly urls?: readonly { name: string; url: string }[];
    }
  | {
      readonly kind: 'step-finished';
      readonly number: number;
      readonly results: Result;
      readonly stateString: string;
      readonly hidden: boolean;
    }
  | {
      readonly kind: 'command-intended';
      readonly step: number;
      readonly ordinal: number;
      readonly name: string;
      readonly uuid: string;
      readonly argsHash: string;
    }
  /** Goes with the lines of the command's update of that number; `captured` is what it adds to what was captured before. */
  | {
      readonly kind: 'command-stored';
      readonly step: number;
      readonly ordinal: number;
      readonly update: number;
      readonly captured: string;
    }
  /** The same command once more under another id, because the first one can have had no lasting effect. */
  | { readonly kind: 'command-resent'; readonly step: number; readonly ordinal: number; readonly uuid: string }
  | { readonly kind: 'command-finished'; readonly step: number; readonly ordinal: number; readonly outcome: string }
  /** Whole lines, each ending in a newline and, for type `s`, beginning with its stream's letter. */
  | {
      readonly kind: 'log-lines';
      readonly step: number;
      readonly log: string;
      readonly type: LogType;
      readonly text: string;
      readonly lines: number;
    }
  | { readonly kind: 'properties'; readonly properties: Properties }
  | { readonly kind: 'build-state'; readonly stateString: string }
  /** Nobody works on it until its worker is back. */
  | { readonly kind: 'build-parked' }
  | { readonly kind: 'build-finished'; readonly end: BuildEnd };

/** What a committed group of entries touched, for the hints that follow. */
export interface Committed {
  readonly steps: readonly { readonly stepId: number; readonly event: 'started' | 'updated' | 'finished' }[];
  readonly logs: readonly { readonly stepId: number; readonly logId: number; readonly event: 'new' | 'append' }[];
  readonly ended: EndedBuild | null;
}

interface EntryItem {
  readonly build: BuildKey;
  readonly entries: readonly BuildEntry[];
  readonly bytes: number;
  resolve(committed: Committed): void;
  reject(error: unknown): void;
}

interface ClaimItem {
  readonly candidates: readonly ClaimCandidate[];
  resolve(claimed: ClaimedBuild[]): void;
  reject(error: unknown): void;
}

const MAX_GROUP_BYTES = 4 << 20;
const MAX_GROUP_ITEMS = 256;
const CHUNK_BYTES = 256 << 10;
const SOON_MS = 3;

/**
 * Writes everything that happens in an engine's builds, in groups across builds: while one transaction is under way the next group
 * gathers, and an idle journal commits at once. Order is kept per build. A promise resolves only
 * after its entries are committed (I8), and rejects with FencedError when the build is somebody else's now (I3). After an entry that cannot
 * be written nothing more of its build is, but its end: what is recorded has no gaps. Prepared SQL: every line of output
 * comes through here, and writes are deferred.
 *
 * While the database is away the same group is tried again, for ever, and callers wait: that is what holds workers back. A commit whose
 * answer was lost may have happened: each group leaves its number behind, and one that did is not written twice.
 */
export class Journal {
  private entries: EntryItem[] = [];
  private claims: ClaimItem[] = [];
  private running: Promise<void> | null = null;
  private soon: NodeJS.Timeout | null = null;
  private closed = false;
  private groups = 0;
  private readonly memory = new Map<number, BuildMemory>();
  /** Builds of which something could not be written, and why. */
  private readonly broken = new Map<number, unknown>();
  readonly stats = { transactions: 0, entries: 0, retries: 0 };

  constructor(
    private readonly db: Database,
    private readonly me: Incarnation,
    private readonly onTrouble: (error: OperationalError) => void,
  ) {}

  write(build: BuildKey, entries: readonly BuildEntry[]): Promise<Committed> {
    const committed = this.add(build, entries);
    this.wake();
    return committed;
  }

  /** For entries that nobody waits for: they go with whatever is written next, at most a few milliseconds later. */
  writeSoon(build: BuildKey, entries: readonly BuildEntry[]): Promise<Committed> {
    const committed = this.add(build, entries);
    this.soon ??= setTimeout(() => {
      this.soon = null;
      this.wake();
    }, SOON_MS);
    return committed;
  }

  private add(build: BuildKey, entries: readonly BuildEntry[]): Promise<Committed> {
    if (this.closed) return Promise.reject(isOver());
    const bytes = entries.reduce((sum, entry) => sum + (entry.kind === 'log-lines' ? entry.text.length : 200), 0);
    return new Promise((resolve, reject) => this.entries.push({ build, entries, bytes, resolve, reject }));
  }

  /** Claims ride in the same transaction as what is written meanwhile: finishing a build and claiming the next is one. */
  claim(candidates: readonly ClaimCandidate[]): Promise<ClaimedBuild[]> {
    if (this.closed) return Promise.reject(isOver());
    return new Promise((resolve, reject) => {
      this.claims.push({ candidates, resolve, reject });
      this.wake();
    });
  }

  /** Reads what an earlier engine wrote of a build that goes on here; before the first entry of ours. */
  async recall(buildId: number): Promise<void> {
    const steps = await this.db.all<{ id: number; number: number }>(`SELECT id, number FROM steps WHERE build_id = ?`, [
      buildId,
    ]);
    const numbers = new Map(steps.map((step) => [step.id, step.number]));
    const logs = await this.db.all<LogState & { name: string }>(
      `SELECT id AS logId, step_id AS stepId, name, slug, num_lines AS \`lines\` FROM logs WHERE build_id = ?`,
      [buildId],
    );
    const memory = new BuildMemory();
    for (const { number, id } of steps) memory.steps.set(number, id);
    for (const { name, ...log } of logs) memory.addLog(numbers.get(log.stepId)!, name, log);
    this.memory.set(buildId, memory);
  }

  /** Forgets what is kept of a build that has ended here. */
  forget(buildId: number): void {
    this.memory.delete(buildId);
    this.broken.delete(buildId);
  }

  /** Waits for what is under way; what comes later is refused. */
  async close(): Promise<void> {
    this.closed = true;
    await this.running;
  }

  private wake(): void {
    this.running ??= this.drain().finally(() => {
      this.running = null;
      if (this.entries.length + this.claims.length > 0) this.wake();
    });
  }

  private async drain(): Promise<void> {
    // Whatever is handed in during the same turn of the event loop goes into the first group.
    await Promise.resolve();
    while (this.entries.length + this.claims.length > 0) {
      const items = this.takeEntries();
      const claims = this.claims.splice(0);
      await this.commit(items, claims);
    }
  }

  private takeEntries(): EntryItem[] {
    let bytes = 0;
    let count = 0;
    while (count < this.entries.length && count < MAX_GROUP_ITEMS && bytes < MAX_GROUP_BYTES)
      bytes += this.entries[count++]!.bytes;
    return this.entries.splice(0, count);
  }

  private async commit(items: readonly EntryItem[], claims: readonly ClaimItem[]): Promise<void> {
    const group = ++this.groups;
    let settle: (() => void) | null = null;
    for (let tries = 0; ; tries++) {
      try {
        await this.db.transaction(async (tx) => {
          if (settle !== null && (await this.wasCommitted(tx, group))) return;
          // First, so that whoever asks waits for a transaction of the lost connection that is still under way.
          await tx.defer(`UPDATE journals SET master_epoch = ?, group_number = ? WHERE master_id = ?`, [
            this.me.epoch,
            group,
            this.me.masterId,
          ]);
          settle = await this.apply(tx, items, claims);
        });
        this.stats.transactions += 1;
        this.stats.entries += items.length;
        settle!();
        return;
      } catch (error) {
        if (!(error instanceof OperationalError) || this.closed) {
          await this.isolate(items, claims, error);
          return;
        }
        this.stats.retries += 1;
        this.onTrouble(error);
        await new Promise((resolve) => setTimeout(resolve, Math.min(50 * 2 ** tries, 2000)));
      }
    }
  }

  private async wasCommitted(tx: Transaction, group: number): Promise<boolean> {
    const row = await tx.get<{ epoch: number; group: number }>(
      `SELECT master_epoch AS epoch, group_number AS \`group\` FROM journals WHERE master_id = ?${tx.dialect.forUpdate}`,
      [this.me.masterId],
    );
    return row?.epoch === this.me.epoch && row.group === group;
  }

  /** One bad item must not take the others of its group down. */
  private async isolate(items: readonly EntryItem[], claims: readonly ClaimItem[], error: unknown): Promise<void> {
    if (items.length + claims.length <= 1 || this.closed) {
      if (!this.closed) for (const { build } of items) this.broken.set(build.buildId, error);
      for (const item of [...items, ...claims]) item.reject(error);
      return;
    }
    for (const item of items) await this.commit([item], []);
    for (const claim of claims) await this.commit([], [claim]);
  }

  /** @returns what to do once the transaction has been committed */
  private async apply(tx: Transaction, items: readonly EntryItem[], claims: readonly ClaimItem[]): Promise<() => void> {
    const after: (() => void)[] = [];
    if (items.length > 0) {
      const keys = [...new Map(items.map((item) => [item.build.buildId, item.build])).values()];
      const ours = await claimedOf(tx, keys);
      const staged = new Map<number, StagedMemory>();
      for (const item of items) {
        const { build } = item;
        if (!ours.has(build.buildId)) {
          const fenced = new FencedError(`build ${build.buildId}`, { ...build });
          after.push(() => item.reject(fenced));
          continue;
        }
        if (this.broken.has(build.buildId) && !item.entries.some(({ kind }) => kind === 'build-finished')) {
          after.push(() => item.reject(this.broken.get(build.buildId)));
          continue;
        }
        const memory = staged.get(build.buildId) ?? new StagedMemory(this.memory.get(build.buildId));
        staged.set(build.buildId, memory);
        const committed = await new EntryWriter(tx, build, memory).write(item.entries);
        after.push(() => item.resolve(committed));
        if (committed.ended) ours.delete(build.buildId);
      }
      after.push(() => {
        for (const [buildId, memory] of staged) this.memory.set(buildId, memory.keep());
      });
    }
    for (const claim of claims) {
      try {
        const claimed = await claimIn(tx, this.me, claim.candidates);
        after.push(() => claim.resolve(claimed));
      } catch (error) {
        if (!(error instanceof MillraceError) || error instanceof OperationalError) throw error;
        after.push(() => claim.reject(error));
      }
    }
    return () => after.forEach((settle) => settle());
  }
}

function isOver(): OperationalError {
  return new OperationalError('journal-closed', 'this engine has stopped writing');
}

class EntryWriter {
  private readonly steps: { stepId: number; event: 'started' | 'updated' | 'finished' }[] = [];
  private readonly logs = new Map<number, { stepId: number; logId: number; event: 'new' | 'append' }>();

  constructor(
    private readonly tx: Transaction,
    private readonly build: BuildKey,
    private readonly memory: StagedMemory,
  ) {}

  async write(entries: readonly BuildEntry[]): Promise<Committed> {
    let ended: EndedBuild | null = null;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (entry.kind === 'build-finished') ended = await endBuildIn(this.tx, this.build, entry.end);
      else await this.one(entry);
    }
    return { steps: this.steps, logs: [...this.logs.values()], ended };
  }

  private async one(entry: Exclude<BuildEntry, { kind: 'build-finished' }>): Promise<void> {
    const { tx, build } = this;
    const now = tx.dialect.nowMs;
    switch (entry.kind) {
      case 'step-started': {
        const { insertId } = await tx.run(
          `INSERT INTO steps (build_id, number, name, started_at_ms, state_string, urls, hidden, resumable)
           VALUES (?, ?, ?, ${now}, ?, '[]', ?, ?)`,
          [build.buildId, entry.number, entry.name, 'running', entry.hidden, entry.resumable ?? false],
        );
        this.memory.addStep(entry.number, insertId);
        this.steps.push({ stepId: insertId, event: 'started' });
        if (entry.number === 0)
          await tx.defer(`UPDATE builds SET state_string = 'building' WHERE id = ?`, [build.buildId]);
        return;
      }
      case 'step-changed': {
        const stepId = this.step(entry.number);
        if (entry.stateString !== undefined) {
          await tx.defer(`UPDATE steps SET state_string = ? WHERE id = ?`, [entry.stateString, stepId]);
        }
        if (entry.urls !== undefined) {
          const row = await tx.get<{ urls: string }>(`SELECT urls FROM steps WHERE id = ?`, [stepId]);
          const known = JSON.parse(row!.urls) as { name: string; url: string }[];
          const urls = new Map(
            [...known, ...entry.urls].map(({ name, url }) => [JSON.stringify([name, url]), { name, url }]),
          );
          await tx.defer(`UPDATE steps SET urls = ? WHERE id = ?`, [JSON.stringify([...urls.values()]), stepId]);
        }
        this.steps.push({ stepId, event: 'updated' });
        return;
      }
      case 'step-finished': {
        const stepId = this.step(entry.number);
        await tx.defer(
          `UPDATE steps SET complete_at_ms = ${now}, results = ?, state_string = ?, hidden = ? WHERE id = ?`,
          [entry.results, entry.stateString, entry.hidden, stepId],
        );
        await tx.defer(`UPDATE logs SET complete = 1 WHERE step_id = ?`, [stepId]);
        this.steps.push({ stepId, event: 'finished' });
        return;
      }
      case 'command-intended':
        await tx.defer(
          `INSERT INTO commands (build_id, step_number, ordinal, name, uuid, args_hash, sent_at_ms) VALUES (?, ?, ?, ?, ?, ?, ${now})`,
          [build.buildId, entry.step, entry.ordinal, entry.name, uuidToBytes(entry.uuid), entry.argsHash],
        );
        return;
      case 'command-stored':
        await tx.defer(
          `UPDATE commands SET updates_stored = ?${entry.captured === '' ? '' : `, captured = CONCAT(COALESCE(captured, ''), ?)`}
           WHERE build_id = ? AND step_number = ? AND ordinal = ?`,
          [entry.update, ...(entry.captured === '' ? [] : [entry.captured]), build.buildId, entry.step, entry.ordinal],
        );
        return;
      case 'command-resent':
        await tx.defer(
          `UPDATE commands SET uuid = ?, sent_at_ms = ${now}, updates_stored = 0, captured = NULL
           WHERE build_id = ? AND step_number = ? AND ordinal = ?`,
          [uuidToBytes(entry.uuid), build.buildId, entry.step, entry.ordinal],
        );
        return;
      case 'build-parked':
        await tx.defer(`UPDATE claims SET parked_at_ms = ${now} WHERE request_id = ?`, [build.requestId]);
        return;
      case 'command-finished':
        await tx.defer(`UPDATE commands SET outcome = ? WHERE build_id = ? AND step_number = ? AND ordinal = ?`, [
          entry.outcome,
          build.buildId,
          entry.step,
          entry.ordinal,
        ]);
        return;
      case 'log-lines':
        await this.append(entry);
        return;
      case 'properties':
        await this.mergeProperties(entry.properties);
        return;
      case 'build-state':
        await tx.defer(`UPDATE builds SET state_string = ? WHERE id = ?`, [entry.stateString, build.buildId]);
        return;
    }
  }

  private step(number: number): number {
    const stepId = this.memory.step(number);
    if (stepId === undefined) throw new RangeError(`build ${this.build.buildId}: step ${number} was never started`);
    return stepId;
  }

  private async mergeProperties(properties: Properties): Promise<void> {
    const row = await this.tx.get<{ properties: string }>(`SELECT properties FROM builds WHERE id = ?`, [
      this.build.buildId,
    ]);
    const merged = { ...(JSON.parse(row!.properties) as Properties), ...properties };
    await this.tx.defer(`UPDATE builds SET properties = ? WHERE id = ?`, [JSON.stringify(merged), this.build.buildId]);
  }

  private async append(entry: Extract<BuildEntry, { kind: 'log-lines' }>): Promise<void> {
    const known = this.memory.log(entry.step, entry.log);
    const event = known ? 'append' : 'new';
    const log = known ?? (await this.createLog(entry));
    for (const piece of pieces(entry.text, entry.lines)) {
      const { codec, content } = await encodeChunk(piece.text);
      await this.tx.defer(
        `INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content) VALUES (?, ?, ?, ?, ?)`,
        [log.logId, log.lines, piece.lines, codec, content],
      );
      log.lines += piece.lines;
    }
    await this.tx.defer(`UPDATE logs SET num_lines = ? WHERE id = ?`, [log.lines, log.logId]);
    if (this.logs.get(log.logId)?.event !== 'new')
      this.logs.set(log.logId, { stepId: log.stepId, logId: log.logId, event });
  }

  private async createLog(entry: Extract<BuildEntry, { kind: 'log-lines' }>): Promise<LogState> {
    const stepId = this.step(entry.step);
    const slug = this.memory.newSlug(entry.step, entry.log);
    const { insertId } = await this.tx.run(
      `INSERT INTO logs (build_id, step_id, name, slug, type, num_lines, complete) VALUES (?, ?, ?, ?, ?, 0, 0)`,
      [this.build.buildId, stepId, entry.log, slug, entry.type],
    );
    return this.memory.addLog(entry.step, entry.log, { logId: insertId, stepId, slug, lines: 0 });
  }
}

/** Cuts whole lines into pieces of about a chunk's size; a line is never cut. */
function* pieces(text: string, lines: number): Generator<{ text: string; lines: number }> {
  if (text.length <= CHUNK_BYTES) {
    yield { text, lines };
    return;
  }
  for (let from = 0; from < text.length;) {
    let to = text.lastIndexOf('\n', from + CHUNK_BYTES);
    if (to < from) to = text.indexOf('\n', from);
    const piece = text.slice(from, to + 1);
    yield { text: piece, lines: countLines(piece) };
    from = to + 1;
  }
}

export function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
