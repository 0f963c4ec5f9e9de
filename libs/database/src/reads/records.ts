import type { BuildDataResource, TestResultResource, TestResultSetResource } from '@millrace/contracts';
import { allIn, type Queryable } from '../sql.js';
import { readHistory } from './history.js';
import type { HistoryTable } from './plan.js';
import { type Page, type ResourceQuery, shapeOf } from './query.js';

export const BUILD_DATA_SHAPE = shapeOf<BuildDataResource>({
  plural: 'build_data',
  id: 'name',
  fields: { buildid: 'int', length: 'int', name: 'string', source: 'string', value: 'json?' },
});

export const TEST_RESULT_SETS: HistoryTable = {
  shape: shapeOf<TestResultSetResource>({
    plural: 'test_result_sets',
    id: 'test_result_setid',
    fields: {
      builderid: 'int',
      buildid: 'int',
      category: 'string',
      complete: 'bool',
      description: 'string?',
      stepid: 'int',
      test_result_setid: 'int',
      tests_failed: 'int?',
      tests_passed: 'int?',
      value_unit: 'string',
    },
  }),
  from: { table: 'test_result_sets t' },
  leads: { by: 'builder', sql: 't.builder_id' },
  id: 't.id',
  columns: {
    test_result_setid: { sql: 't.id' },
    builderid: { sql: 't.builder_id' },
    buildid: { sql: 't.build_id' },
  },
  orderAliases: {},
  cheap: [],
  paths: [
    { given: ['test_result_setid'], order: null },
    { given: ['buildid'], order: 'test_result_setid', index: 'test_result_sets_build' },
    { given: ['builderid'], order: 'test_result_setid', index: 'test_result_sets_builder' },
    { given: [], order: 'test_result_setid' },
  ],
};

export const TEST_RESULTS: HistoryTable = {
  shape: shapeOf<TestResultResource>({
    plural: 'test_results',
    id: 'test_resultid',
    fields: {
      builderid: 'int',
      duration_ns: 'int?',
      line: 'int?',
      message: 'string?',
      test_code_path: 'string?',
      test_name: 'string?',
      test_result_setid: 'int',
      test_resultid: 'int',
      value: 'string',
    },
  }),
  from: { table: 'test_results r', joins: 'JOIN test_result_sets t ON t.id = r.set_id' },
  leads: { by: 'builder', sql: 't.builder_id' },
  id: 'r.id',
  columns: { test_resultid: { sql: 'r.id' }, test_result_setid: { sql: 'r.set_id' } },
  orderAliases: {},
  cheap: [],
  paths: [
    { given: ['test_resultid'], order: null },
    { given: ['test_result_setid'], order: 'test_resultid', index: 'test_results_set' },
  ],
};

const SET_COLUMNS = `t.id, t.builder_id AS builderId, t.build_id AS buildId, t.step_id AS stepId, t.description, t.category,
  t.value_unit AS valueUnit, t.tests_passed AS testsPassed, t.tests_failed AS testsFailed, t.complete`;
const RESULT_COLUMNS = `r.id, r.set_id AS setId, t.builder_id AS builderId, r.name, r.code_path AS codePath, r.line,
  r.duration_ns AS durationNs, r.value, r.message`;
const DATA_COLUMNS = `d.build_id AS buildid, d.name, d.source, LENGTH(d.value) AS length`;

interface SetRow {
  id: number;
  builderId: number;
  buildId: number;
  stepId: number;
  description: string | null;
  category: string;
  valueUnit: string;
  testsPassed: number | null;
  testsFailed: number | null;
  complete: number;
}

interface ResultRow {
  id: number;
  setId: number;
  builderId: number;
  name: string | null;
  codePath: string | null;
  line: number | null;
  durationNs: number | null;
  value: string;
  message: string | null;
}

/** What steps have recorded beside their logs: data of builds, and results of tests. */
export class RecordReads {
  constructor(private readonly db: Queryable) {}

  async dataOfBuild(buildId: number): Promise<BuildDataResource[]> {
    const rows = await this.db.all<Omit<BuildDataResource, 'value'>>(
      `SELECT ${DATA_COLUMNS} FROM build_data d WHERE d.build_id = ? ORDER BY d.name`,
      [buildId],
    );
    return rows.map((row) => ({ ...row, value: null }));
  }

  async data(buildId: number, name: string): Promise<BuildDataResource | null> {
    return (await this.dataOfBuild(buildId)).find((one) => one.name === name) ?? null;
  }

  async dataValue(buildId: number, name: string): Promise<Buffer | null> {
    const row = await this.db.get<{ value: Buffer }>(
      `SELECT d.value FROM build_data d WHERE d.build_id = ? AND d.name = ?`,
      [buildId, name],
    );
    return row?.value ?? null;
  }

  testSets(query: ResourceQuery): Promise<Page<TestResultSetResource>> {
    return readHistory<SetRow, TestResultSetResource>(this.db, TEST_RESULT_SETS, SET_COLUMNS, query, toSet);
  }

  /** Returns the sets of a step. A build has a hundred at most. */
  async testSetsOfStep(stepId: number): Promise<TestResultSetResource[]> {
    const rows = await this.db.all<SetRow>(
      `SELECT ${SET_COLUMNS} FROM test_result_sets t WHERE t.step_id = ? ORDER BY t.ordinal`,
      [stepId],
    );
    return rows.map(toSet);
  }

  async testSetsByIds(ids: readonly number[]): Promise<TestResultSetResource[]> {
    const rows = await allIn<SetRow>(
      this.db,
      ids,
      (isOneOf) => `SELECT ${SET_COLUMNS} FROM test_result_sets t WHERE t.id IN ${isOneOf}`,
    );
    return rows.map(toSet);
  }

  /** Returns results of a set. The query names the set. */
  testResults(query: ResourceQuery): Promise<Page<TestResultResource>> {
    return readHistory<ResultRow, TestResultResource>(this.db, TEST_RESULTS, RESULT_COLUMNS, query, toResult);
  }
}

function toSet(row: SetRow): TestResultSetResource {
  return {
    builderid: row.builderId,
    buildid: row.buildId,
    category: row.category,
    complete: row.complete === 1,
    description: row.description,
    stepid: row.stepId,
    test_result_setid: row.id,
    tests_failed: row.testsFailed,
    tests_passed: row.testsPassed,
    value_unit: row.valueUnit,
  };
}

function toResult(row: ResultRow): TestResultResource {
  return {
    builderid: row.builderId,
    duration_ns: row.durationNs,
    line: row.line,
    message: row.message,
    test_code_path: row.codePath,
    test_name: row.name,
    test_result_setid: row.setId,
    test_resultid: row.id,
    value: row.value,
  };
}
