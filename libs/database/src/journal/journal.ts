import { FencedError, messageOf, MillraceError, OperationalError, Result } from '@millrace/domain';
import { type ClaimCandidate, claimIn, type Claims } from '../claims/claiming.js';
import { deferEndFacts } from '../claims/ending.js';
import { type BuildKey, deferClaimedOf } from '../claims/fence.js';
import type { Incarnation } from '../masters.js';
import type { Database, Transaction } from '../sql.js';
import type { BuildEntry, Committed } from './entries.js';
import { EntryWriter } from './entry-writer.js';
import { type BuildMemory, readMemory, StagedMemory } from './memory.js';

interface EntryItem {
  readonly build: BuildKey;
  readonly entries: readonly BuildEntry[];
  readonly bytes: number;
  resolve(committed: Committed): void;
  reject(error: unknown): void;
}

interface ClaimItem {
  readonly candidates: readonly ClaimCandidate[];
  resolve(claims: Claims): void;
  reject(error: unknown): void;
}

/** A group that was written. */
interface Applied {
  /** Tells everybody, once the transaction has been committed. */
  settle(): void;
  /** Reads what the answer to the commit would have told, in another transaction. */
  recall(tx: Transaction): Promise<void>;
}

const MAX_GROUP_BYTES = 4 << 20;
const MAX_GROUP_ITEMS = 256;
/** Longer than a short step's end takes to become the end of its build, which then is one transaction with it. */
const SOON_MS = 20;
/** With more than this there is nothing to be gained by waiting, and a worker with much output is not to be held up. */
const SOON_BYTES = 64 << 10;

/**
 * Writes all events in an engine's builds, in groups across builds: while one transaction is running the next group gathers, and an idle
 * journal commits at once. Order is kept per build. A promise resolves only after its entries are committed (I8), and rejects with
 * FencedError when the build belongs to somebody else now (I3). After an entry that cannot be written, nothing more of its build is written
 * except its end, as an exception, so that the record has no gaps and does not look successful. Prepared SQL: every line of output comes through here, and writes are deferred.
 *
 * While the database is away the same group is retried for ever, and callers wait, which holds workers back. A commit whose answer was lost
 * may have happened: each group stores its number, so that a committed one is not written twice.
 */
export class Journal {
  private entries: EntryItem[] = [];
  private claims: ClaimItem[] = [];
  /** Bytes of the entries that no group has taken yet. */
  private waitingBytes = 0;
  private running: Promise<void> | null = null;
  private soon: NodeJS.Timeout | null = null;
  private closed = false;
  private groups = 0;
  private readonly memory = new Map<number, BuildMemory>();
  /** Builds with an entry that could not be written, and the error. */
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

  /** Writes entries that nobody waits for together with the next other entries, at most some milliseconds later. */
  writeSoon(build: BuildKey, entries: readonly BuildEntry[]): Promise<Committed> {
    const committed = this.add(build, entries);
    if (this.waitingBytes > SOON_BYTES) this.wake();
    else
      this.soon ??= setTimeout(() => {
        this.soon = null;
        this.wake();
      }, SOON_MS);
    return committed;
  }

  private add(build: BuildKey, entries: readonly BuildEntry[]): Promise<Committed> {
    if (this.closed) return Promise.reject(isOver());
    const bytes = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
    this.waitingBytes += bytes;
    return new Promise((resolve, reject) => this.entries.push({ build, entries, bytes, resolve, reject }));
  }

  /** Claims requests in the same transaction as other waiting entries: finishing a build and claiming the next is one transaction. */
  claim(candidates: readonly ClaimCandidate[]): Promise<Claims> {
    if (this.closed) return Promise.reject(isOver());
    return new Promise((resolve, reject) => {
      this.claims.push({ candidates, resolve, reject });
      this.wake();
    });
  }

  /** Reads what an earlier engine has recorded about a build that goes on here. To be called before our first entry. */
  async recall(buildId: number): Promise<void> {
    this.memory.set(buildId, await readMemory(this.db, buildId));
  }

  /** Forgets the data kept about a build that has ended here. */
  forget(buildId: number): void {
    this.memory.delete(buildId);
    this.broken.delete(buildId);
  }

  /** Waits for pending entries. Later ones are refused. */
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
    // Entries of the same turn of the event loop go into the first group.
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
    this.waitingBytes -= bytes;
    return this.entries.splice(0, count);
  }

  private async commit(items: readonly EntryItem[], claims: readonly ClaimItem[]): Promise<void> {
    const group = ++this.groups;
    let applied: Applied | null = null;
    for (let tries = 0; ; tries++) {
      try {
        await this.db.transaction(async (tx) => {
          if (applied !== null && (await this.wasCommitted(tx, group))) return applied.recall(tx);
          // First, so that a retry waits for a transaction of the lost connection that is still running.
          await tx.defer(`UPDATE journals SET master_epoch = ?, group_number = ? WHERE master_id = ?`, [
            this.me.epoch,
            group,
            this.me.masterId,
          ]);
          applied = await this.apply(tx, items, claims);
        });
        this.stats.transactions += 1;
        this.stats.entries += items.length;
        applied!.settle();
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

  /** Writes items one by one, so that a bad one does not make the others of its group fail. */
  private async isolate(items: readonly EntryItem[], claims: readonly ClaimItem[], error: unknown): Promise<void> {
    if (items.length + claims.length <= 1 || this.closed) {
      if (!this.closed) for (const { build } of items) this.broken.set(build.buildId, error);
      for (const item of [...items, ...claims]) item.reject(error);
      return;
    }
    for (const item of items) await this.commit([item], []);
    for (const claim of claims) await this.commit([], [claim]);
  }

  /** Writes a group. */
  private async apply(tx: Transaction, items: readonly EntryItem[], claims: readonly ClaimItem[]): Promise<Applied> {
    const after: (() => void)[] = [];
    const staged = new Map<number, { readonly memory: StagedMemory; readonly writer: EntryWriter }>();
    /** What is done to builds that end once their rows have been read, which the claims' first statement does as well. */
    const rest: (() => Promise<void>)[] = [];
    if (items.length > 0) {
      const keys = [...new Map(items.map((item) => [item.build.buildId, item.build])).values()];
      const readOurs = await deferClaimedOf(tx, keys);
      const readFacts = await deferEndFacts(
        tx,
        items.filter(isEnd).map(({ build }) => build),
      );
      await tx.sendDeferred();
      const ours = readOurs();
      const facts = readFacts();
      for (const item of items) {
        const { build } = item;
        if (!ours.has(build.buildId)) {
          const fenced = new FencedError(`build ${build.buildId}`, { ...build });
          after.push(() => item.reject(fenced));
          continue;
        }
        const broken = this.broken.get(build.buildId);
        const entries = broken === undefined ? item.entries : incompleteEnd(item.entries, broken);
        if (entries === null) {
          after.push(() => item.reject(broken));
          continue;
        }
        let stage = staged.get(build.buildId);
        if (!stage) {
          const memory = new StagedMemory(this.memory.get(build.buildId));
          staged.set(build.buildId, (stage = { memory, writer: new EntryWriter(tx, build, memory) }));
        }
        const ends = isEnd({ entries });
        const complete = await stage.writer.write(entries, ends ? facts.get(build.requestId)! : null);
        rest.push(async () => {
          const committed = await complete();
          after.push(() => item.resolve(committed()));
        });
        if (ends) ours.delete(build.buildId);
      }
      for (const { writer } of staged.values()) await writer.flush();
      after.push(() => {
        for (const [buildId, { memory }] of staged) this.memory.set(buildId, memory.keep());
      });
    }
    const isClaiming = claims.some(({ candidates }) => candidates.length > 0);
    if (!isClaiming && items.some(isEnd)) await tx.sendDeferred();
    after.push(await this.applyClaims(tx, claims));
    for (const complete of rest) await complete();
    return {
      settle: () => after.forEach((settle) => settle()),
      recall: async (again) => {
        for (const [buildId, { memory }] of staged) await memory.recall(again, buildId);
      },
    };
  }

  /** Claims for all who wait in one go: what decides about them is read once. */
  private async applyClaims(tx: Transaction, claims: readonly ClaimItem[]): Promise<() => void> {
    try {
      const { builds, waiting } = await claimIn(
        tx,
        this.me,
        claims.flatMap(({ candidates }) => candidates),
      );
      return () => {
        for (const claim of claims) {
          const ids = new Set(claim.candidates.map(({ requestId }) => requestId));
          const isOwn = ({ requestId }: { readonly requestId: number }): boolean => ids.has(requestId);
          claim.resolve({ builds: builds.filter(isOwn), waiting: waiting.filter(isOwn) });
        }
      };
    } catch (error) {
      if (!(error instanceof MillraceError) || error instanceof OperationalError) throw error;
      return () => claims.forEach((claim) => claim.reject(error));
    }
  }
}

function isEnd({ entries }: Pick<EntryItem, 'entries'>): boolean {
  return entries.some(({ kind }) => kind === 'build-finished');
}

/** Returns what is written of a build whose record is incomplete: its end. Null for what is not its end. */
function incompleteEnd(entries: readonly BuildEntry[], error: unknown): BuildEntry[] | null {
  return isEnd({ entries })
    ? [{ kind: 'build-finished', end: { results: Result.EXCEPTION, stateString: incompleteText(error) } }]
    : null;
}

/** Returns the state of a build whose record is incomplete. */
export function incompleteText(error: unknown): string {
  return `exception: not everything that happened could be recorded: ${messageOf(error)}`;
}

function isOver(): OperationalError {
  return new OperationalError('journal-closed', 'this engine has stopped writing');
}

/** Returns about how large an entry is. */
function bytesOf(entry: BuildEntry): number {
  switch (entry.kind) {
    case 'log-lines':
      return entry.text.length;
    case 'build-data':
      return entry.value.length;
    case 'test-results':
      return 200 * (entry.results.length + 1);
    default:
      return 200;
  }
}
