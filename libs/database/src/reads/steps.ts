import type { LogResource, StepResource } from '@millrace/contracts';
import { isPrepared } from '../claims/preparation.js';
import { allIn, type Queryable } from '../sql.js';
import { endSeconds, seconds } from './history.js';
import { shapeOf } from './query.js';

export const STEP_SHAPE = shapeOf<StepResource>({
  plural: 'steps',
  id: 'stepid',
  fields: {
    buildid: 'int',
    complete: 'bool',
    complete_at: 'time?',
    hidden: 'bool',
    locks_acquired_at: 'time?',
    name: 'identifier',
    number: 'int',
    results: 'int?',
    started_at: 'time?',
    state_string: 'string',
    stepid: 'int',
    urls: 'json',
  },
});

export const LOG_SHAPE = shapeOf<LogResource>({
  plural: 'logs',
  id: 'logid',
  fields: {
    complete: 'bool',
    logid: 'int',
    name: 'string',
    num_lines: 'int',
    slug: 'identifier',
    stepid: 'int',
    type: 'identifier',
  },
});

const STEP_COLUMNS = `s.id, s.build_id AS buildId, s.number + ${isPrepared('s.build_id')} AS number, s.name, s.started_at_ms AS startedAtMs, s.complete_at_ms AS completeAtMs,
  s.results, s.state_string AS stateString, s.urls, s.hidden, s.locks_ms AS locksMs`;
const LOG_COLUMNS = `l.id, l.step_id AS stepId, l.name, l.slug, l.type, l.num_lines AS numLines, l.complete`;

interface StepRow {
  id: number;
  buildId: number;
  number: number;
  name: string;
  startedAtMs: number;
  completeAtMs: number | null;
  results: number | null;
  stateString: string;
  urls: string;
  hidden: number;
  /** Null while it waits for locks. */
  locksMs: number | null;
}

interface LogRow {
  id: number;
  stepId: number;
  name: string;
  slug: string;
  type: string;
  numLines: number;
  complete: number;
}

/** The place of a log, for file names and titles. */
export interface LogPlace {
  readonly buildId: number;
  readonly stepName: string;
}

/** Reads of steps and logs. There are few per build, and they are read by their parent. */
export class StepReads {
  constructor(private readonly db: Queryable) {}

  async ofBuild(buildId: number): Promise<StepResource[]> {
    const rows = await this.db.all<StepRow>(
      `SELECT ${STEP_COLUMNS} FROM steps s WHERE s.build_id = ? ORDER BY s.number LIMIT 10000`,
      [buildId],
    );
    return rows.map(toStep);
  }

  async byIds(ids: readonly number[]): Promise<StepResource[]> {
    const rows = await allIn<StepRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${STEP_COLUMNS} FROM steps s WHERE s.id IN ${isOneOf}`,
    );
    return rows.map(toStep);
  }

  async logsOfStep(stepId: number): Promise<LogResource[]> {
    const rows = await this.db.all<LogRow>(
      `SELECT ${LOG_COLUMNS} FROM logs l WHERE l.step_id = ? ORDER BY l.id LIMIT 10000`,
      [stepId],
    );
    return rows.map(toLog);
  }

  /** Returns the ids of the logs of these steps. */
  logIdsOfSteps(stepIds: readonly number[]): Promise<{ readonly id: number }[]> {
    return allIn(this.db, stepIds, (isOneOf) => `SELECT id FROM logs WHERE step_id IN ${isOneOf}`);
  }

  /** Returns all logs of a build in one query, for a page that shows every step. */
  async logsOfBuild(buildId: number): Promise<LogResource[]> {
    const rows = await this.db.all<LogRow>(
      `SELECT ${LOG_COLUMNS} FROM logs l WHERE l.build_id = ? ORDER BY l.id LIMIT 10000`,
      [buildId],
    );
    return rows.map(toLog);
  }

  async logsByIds(ids: readonly number[]): Promise<LogResource[]> {
    const rows = await allIn<LogRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${LOG_COLUMNS} FROM logs l WHERE l.id IN ${isOneOf}`,
    );
    return rows.map(toLog);
  }

  async logPlace(logId: number): Promise<LogPlace | null> {
    const row = await this.db.get<{ buildId: number; stepName: string }>(
      `SELECT l.build_id AS buildId, s.name AS stepName FROM logs l JOIN steps s ON s.id = l.step_id WHERE l.id = ?`,
      [logId],
    );
    return row ?? null;
  }
}

function toStep(row: StepRow): StepResource {
  return {
    buildid: row.buildId,
    complete: row.completeAtMs !== null,
    complete_at: endSeconds(row.startedAtMs, row.completeAtMs),
    hidden: row.hidden === 1,
    locks_acquired_at: row.locksMs === null ? null : seconds(row.startedAtMs + row.locksMs),
    name: row.name,
    number: row.number,
    results: row.results,
    started_at: seconds(row.startedAtMs),
    state_string: row.stateString,
    stepid: row.id,
    urls: JSON.parse(row.urls) as StepResource['urls'],
  };
}

function toLog(row: LogRow): LogResource {
  return {
    complete: row.complete === 1,
    logid: row.id,
    name: row.name,
    num_lines: row.numLines,
    slug: row.slug,
    stepid: row.stepId,
    type: row.type,
  };
}
