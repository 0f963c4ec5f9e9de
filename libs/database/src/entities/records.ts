import { Entity, Index } from 'typeorm';
import { Big, Blob, Bool, Id, Key, Text } from './columns.js';

/** A value that a step has stored with its build. */
@Entity('build_data')
export class BuildDataEntity {
  @Big({ primary: true }) buildId: number;
  @Key(190, { primary: true }) name: string;
  /** Who stored it: a word for people. */
  @Key(190) source: string;
  @Blob() value: Buffer;
}

/** A set of test results that a step has recorded. */
@Entity('test_result_sets')
@Index('test_result_sets_step', ['stepId', 'ordinal'], { unique: true })
@Index('test_result_sets_build', ['buildId', 'id'])
@Index('test_result_sets_builder', ['builderId', 'id'])
export class TestResultSetEntity {
  @Id() id: number;
  @Big() builderId: number;
  @Big() buildId: number;
  @Big() stepId: number;
  /** Counted from 0 for each step. */
  @Big() ordinal: number;
  @Text({ nullable: true }) description: string | null;
  /** In Buildbot's words: `pass_fail`, `performance`, … */
  @Key(32) category: string;
  /** `boolean`, `ms`, `message`, … */
  @Key(32) valueUnit: string;
  /** Number of results so far. */
  @Big() numResults: number;
  /** So far; null where the category does not tell. */
  @Big({ nullable: true }) testsPassed: number | null;
  @Big({ nullable: true }) testsFailed: number | null;
  @Bool() complete: boolean;
}

/** The result of one test. */
@Entity('test_results')
@Index('test_results_set', ['setId', 'id'])
export class TestResultEntity {
  @Id() id: number;
  @Big() setId: number;
  @Text({ nullable: true }) name: string | null;
  @Text({ nullable: true }) codePath: string | null;
  @Big({ nullable: true }) line: number | null;
  @Big({ nullable: true }) durationNs: number | null;
  @Text() value: string;
  /** What the test says about a failure. */
  @Text({ nullable: true }) message: string | null;
}
