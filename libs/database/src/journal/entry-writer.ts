import { countTests, type Properties, uuidToBytes } from '@millrace/domain';
import { deferEnd, type EndedBuild, type EndFacts } from '../claims/ending.js';
import type { BuildKey } from '../claims/fence.js';
import { deferPreparation, PREPARATION } from '../claims/preparation.js';
import { encodeChunk } from '../logs.js';
import { chunked, rowPlaceholders, type Transaction } from '../sql.js';
import type { BuildEntry, Committed } from './entries.js';
import type { LogState, StagedMemory, StepState } from './memory.js';

const CHUNK_BYTES = 256 << 10;

/**
 * Writes the entries of one build in a transaction that has locked its claim. Lines of one log become one chunk, however many entries they
 * came in: `flush` writes what has gathered.
 */
export class EntryWriter {
  private steps: { number: number; event: 'started' | 'updated' | 'finished' }[] = [];
  private testSets: { setId: number; event: 'new' | 'completed' }[] = [];
  private logs = new Map<LogState, 'new' | 'append'>();
  private readonly unwritten = new Map<LogState, { text: string; lines: number }>();

  constructor(
    private readonly tx: Transaction,
    private readonly build: BuildKey,
    private readonly memory: StagedMemory,
  ) {}

  /**
   * Writes entries.
   * @param facts what the build's end depends on; null when it is not among the entries
   * @returns what does the rest, once all this was sent, before the commit; and returns what tells what was committed, after it
   */
  async write(entries: readonly BuildEntry[], facts: EndFacts | null): Promise<() => Promise<() => Committed>> {
    this.steps = [];
    this.logs = new Map();
    this.testSets = [];
    let end: (() => Promise<EndedBuild>) | null = null;
    for (const entry of entries) {
      if (entry.kind === 'build-finished') {
        await this.flush();
        end = await deferEnd(this.tx, this.build, entry.end, { facts: facts!, steps: this.memory.steps });
      } else await this.one(entry);
    }
    const { steps, logs, testSets, memory } = this;
    return async () => {
      const ended = end && (await end());
      return () => ({
        steps: steps.map(({ number, event }) => ({ stepId: this.stepId(number), event })),
        logs: [...logs].map(([log, event]) => ({ stepId: this.stepId(log.step), logId: log.id!(), event })),
        ...{ testSets, ended, isFragmented: end !== null && memory.isFragmented },
      });
    };
  }

  /** Writes the lines that have gathered. To be called after the last entry. */
  async flush(): Promise<void> {
    for (const [log, { text, lines }] of this.unwritten) await this.writeLines(log, text, lines);
    this.unwritten.clear();
  }

  private async one(entry: Exclude<BuildEntry, { kind: 'build-finished' }>): Promise<void> {
    const { tx, build } = this;
    const now = tx.dialect.nowMs;
    switch (entry.kind) {
      case 'worker-ready': {
        this.memory.addStep(PREPARATION, await deferPreparation(tx, build.buildId)).isOpen = false;
        this.steps.push({ number: PREPARATION, event: 'finished' });
        return;
      }
      case 'step-started': {
        const id = await tx.deferInsert(
          `INSERT INTO steps (build_id, number, name, started_at_ms, state_string, urls, hidden, resumable, locks_ms)
           VALUES (?, ?, ?, ${now}, ?, '[]', ?, ?, ?)`,
          [
            build.buildId,
            entry.number,
            entry.name,
            'running',
            entry.hidden,
            entry.resumable ?? false,
            entry.wantsLocks ? null : 0,
          ],
        );
        this.memory.addStep(entry.number, id);
        this.steps.push({ number: entry.number, event: 'started' });
        if (entry.number === 0)
          await tx.defer(`UPDATE builds SET state_string = 'building' WHERE id = ?`, [build.buildId]);
        return;
      }
      case 'step-changed': {
        const stepId = await this.sentStep(entry.number);
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
        this.steps.push({ number: entry.number, event: 'updated' });
        return;
      }
      case 'step-locked': {
        const stepId = await this.sentStep(entry.number);
        // A step that goes on at another engine takes them again, and has waited already.
        await tx.defer(`UPDATE steps SET locks_ms = ?, state_string = 'running' WHERE id = ? AND locks_ms IS NULL`, [
          entry.waitedMs,
          stepId,
        ]);
        if (entry.waitedMs > 0)
          await tx.defer(`UPDATE builds SET locks_ms = locks_ms + ? WHERE id = ?`, [entry.waitedMs, build.buildId]);
        this.steps.push({ number: entry.number, event: 'updated' });
        return;
      }
      case 'step-finished': {
        const stepId = await this.sentStep(entry.number);
        const step = this.step(entry.number);
        step.isOpen = false;
        if (entry.hasLocks)
          await tx.defer(`DELETE FROM lock_holds WHERE build_id = ? AND step_number = ?`, [
            build.buildId,
            entry.number,
          ]);
        await tx.defer(
          `UPDATE steps SET complete_at_ms = ${now}, results = ?, state_string = ?, hidden = ?, added = ? WHERE id = ?`,
          [entry.results, entry.stateString, entry.hidden, entry.added ?? null, stepId],
        );
        if (step.hasLogs) await tx.defer(`UPDATE logs SET complete = 1 WHERE step_id = ?`, [stepId]);
        this.steps.push({ number: entry.number, event: 'finished' });
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
        await tx.defer(
          `UPDATE commands SET outcome = ?, ended = ? WHERE build_id = ? AND step_number = ? AND ordinal = ?`,
          [entry.outcome, entry.ended, build.buildId, entry.step, entry.ordinal],
        );
        return;
      case 'log-lines':
        this.append(entry);
        return;
      case 'properties':
        await this.mergeProperties(entry.properties);
        return;
      case 'build-data':
        await tx.defer(`DELETE FROM build_data WHERE build_id = ? AND name = ?`, [build.buildId, entry.name]);
        await tx.defer(`INSERT INTO build_data (build_id, name, source, value) VALUES (?, ?, ?, ?)`, [
          build.buildId,
          entry.name,
          entry.source,
          entry.value,
        ]);
        return;
      case 'test-results':
        await this.addTestResults(entry);
        return;
      case 'build-state':
        await tx.defer(`UPDATE builds SET state_string = ? WHERE id = ?`, [entry.stateString, build.buildId]);
        return;
    }
  }

  private step(number: number): StepState {
    const step = this.memory.step(number);
    if (step === undefined) throw new RangeError(`build ${this.build.buildId}: step ${number} was never started`);
    return step;
  }

  private stepId(number: number): number {
    return this.step(number).id();
  }

  /** Returns the id of a step, for a statement about it. */
  private async sentStep(number: number): Promise<number> {
    if (this.memory.isNew(number)) await this.tx.sendDeferred();
    return this.stepId(number);
  }

  private async mergeProperties(properties: Properties): Promise<void> {
    const row = await this.tx.get<{ properties: string }>(`SELECT properties FROM builds WHERE id = ?`, [
      this.build.buildId,
    ]);
    const merged = { ...(JSON.parse(row!.properties) as Properties), ...properties };
    await this.tx.defer(`UPDATE builds SET properties = ? WHERE id = ?`, [JSON.stringify(merged), this.build.buildId]);
  }

  private async addTestResults(entry: Extract<BuildEntry, { kind: 'test-results' }>): Promise<void> {
    const { tx } = this;
    const { ordinal, description, category, valueUnit } = entry.set;
    const stepId = await this.sentStep(entry.step);
    const known = await tx.get<{ id: number; stored: number }>(
      `SELECT id, num_results AS stored FROM test_result_sets WHERE step_id = ? AND ordinal = ?`,
      [stepId, ordinal],
    );
    const none = countTests(category, []);
    const id =
      known?.id ??
      (
        await tx.run(
          `INSERT INTO test_result_sets (builder_id, build_id, step_id, ordinal, description, category, value_unit, num_results,
             tests_passed, tests_failed, complete)
           SELECT builder_id, id, ?, ?, ?, ?, ?, 0, ?, ?, 0 FROM builds WHERE id = ?`,
          [stepId, ordinal, description, category, valueUnit, none.passed, none.failed, this.build.buildId],
        )
      ).insertId;
    // A step that goes on at another engine records its results again, in the same order.
    const stored = known?.stored ?? 0;
    const added = entry.results.slice(Math.max(0, stored - entry.from));
    for (const some of chunked(added))
      await tx.defer(
        `INSERT INTO test_results (set_id, name, code_path, line, duration_ns, value, message)
         VALUES ${rowPlaceholders(some.length, 7)}`,
        some.flatMap((result) => [
          id,
          result.name,
          result.codePath,
          result.line,
          result.durationNs,
          result.value,
          result.message,
        ]),
      );
    const { passed, failed } = countTests(category, added);
    await tx.defer(
      `UPDATE test_result_sets SET num_results = num_results + ?, tests_passed = tests_passed + ?, tests_failed = tests_failed + ?,
         complete = ? WHERE id = ?`,
      [added.length, passed, failed, entry.isComplete, id],
    );
    if (!known) this.testSets.push({ setId: id, event: 'new' });
    if (entry.isComplete) this.testSets.push({ setId: id, event: 'completed' });
  }

  private append({ step, log: name, type, text, lines }: Extract<BuildEntry, { kind: 'log-lines' }>): void {
    const known = this.memory.log(step, name);
    this.step(step);
    const log = known ?? this.memory.addLog(step, name, type);
    const waiting = this.unwritten.get(log);
    if (waiting) {
      waiting.text += text;
      waiting.lines += lines;
    } else this.unwritten.set(log, { text, lines });
    if (this.logs.get(log) !== 'new') this.logs.set(log, known ? 'append' : 'new');
  }

  private async writeLines(log: LogState, text: string, lines: number): Promise<void> {
    const isNew = log.id === null;
    if (log.id === null) await this.insertLog(log, lines);
    else await this.tx.defer(`UPDATE logs SET num_lines = ? WHERE id = ?`, [log.lines + lines, log.id()]);
    for (const piece of pieces(text, lines)) {
      const { codec, content } = await encodeChunk(piece.text);
      const chunk = [log.lines, piece.lines, codec, content];
      // The id of a new log is not known yet.
      if (isNew)
        await this.tx.defer(
          `INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content)
           SELECT id, ?, ?, ?, ? FROM logs WHERE step_id = ? AND slug = ?`,
          [...chunk, this.stepId(log.step), log.slug],
        );
      else
        await this.tx.defer(
          `INSERT INTO log_chunks (log_id, first_line, num_lines, codec, content) VALUES (?, ?, ?, ?, ?)`,
          [log.id!(), ...chunk],
        );
      log.lines += piece.lines;
      log.chunks = log.chunks === 'none' ? 'one' : 'several';
    }
  }

  /** Inserts a log with the number of its first lines. One of a step that has ended gets no more. */
  private async insertLog(log: LogState, lines: number): Promise<void> {
    const stepId = await this.sentStep(log.step);
    const step = this.step(log.step);
    log.id = await this.tx.deferInsert(
      `INSERT INTO logs (build_id, step_id, name, slug, type, num_lines, complete) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      [this.build.buildId, stepId, log.name, log.slug, log.type, lines, !step.isOpen],
    );
    step.hasLogs = true;
  }
}

/** Cuts whole lines into pieces of about a chunk's size. A line is never cut. */
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
