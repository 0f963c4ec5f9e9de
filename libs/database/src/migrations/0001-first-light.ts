import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectTypes } from './types.js';

/**
 * The first tables; `docs/database.md` draws them.
 *
 * The live queue (`queue`, `claims`) stays small and separate from history: requests and builds are never scanned to find work (I7). There
 * are no foreign keys: history is deleted by range, and every hot insert would pay for them.
 */
export class FirstLight0001 implements MigrationInterface {
  name = 'FirstLight1700000000001';

  async up(queryRunner: QueryRunner): Promise<void> {
    const { id, big, bool, key, text, blob, uuid, end } = dialectTypes(queryRunner);
    const statements = [
      `CREATE TABLE counters (name ${key(64)} NOT NULL PRIMARY KEY, value ${big} NOT NULL)${end}`,
      `INSERT INTO counters (name, value) VALUES ('change-seq', 0)`,

      `CREATE TABLE masters (
        id ${id}, name ${key(190)} NOT NULL UNIQUE, role ${key(16)} NOT NULL, host ${key(190)} NOT NULL, pid ${big} NOT NULL,
        version ${key(32)} NOT NULL, epoch ${big} NOT NULL, state ${key(16)} NOT NULL, started_at_ms ${big} NOT NULL,
        last_active_at_ms ${big} NOT NULL, lease_until_ms ${big} NOT NULL, lease_ms ${big} NOT NULL, revision_id ${big})${end}`,
      `CREATE TABLE ownerships (
        name ${key(190)} NOT NULL PRIMARY KEY, master_id ${big} NOT NULL, master_epoch ${big} NOT NULL, epoch ${big} NOT NULL,
        since_ms ${big} NOT NULL)${end}`,
      `CREATE TABLE master_commands (
        id ${id}, master_id ${big}, kind ${key(32)} NOT NULL, subject_id ${big} NOT NULL, args ${text} NOT NULL,
        created_at_ms ${big} NOT NULL, done_at_ms ${big}, result ${text})${end}`,
      `CREATE INDEX master_commands_open ON master_commands (done_at_ms, id)`,

      `CREATE TABLE revisions (
        id ${id}, fingerprint ${key(64)} NOT NULL UNIQUE, body ${text} NOT NULL, created_at_ms ${big} NOT NULL)${end}`,
      `CREATE TABLE projects (id ${id}, name ${key(190)} NOT NULL UNIQUE, description ${text})${end}`,
      `CREATE TABLE builders (
        id ${id}, name ${key(190)} NOT NULL UNIQUE, description ${text}, project_id ${big}, tags ${text} NOT NULL,
        next_number ${big} NOT NULL, latest_build_id ${big}, latest_results ${big}, latest_green_build_id ${big})${end}`,
      `CREATE TABLE builder_masters (
        builder_id ${big} NOT NULL, master_id ${big} NOT NULL, fingerprint ${key(64)} NOT NULL,
        PRIMARY KEY (builder_id, master_id))${end}`,
      `CREATE INDEX builder_masters_master ON builder_masters (master_id)`,
      `CREATE TABLE workers (
        id ${id}, name ${key(190)} NOT NULL UNIQUE, info ${text} NOT NULL, max_builds ${big} NOT NULL, paused ${bool} NOT NULL,
        pause_reason ${text}, graceful ${bool} NOT NULL, session_epoch ${big} NOT NULL, master_id ${big}, master_epoch ${big},
        last_seen_at_ms ${big})${end}`,
      `CREATE TABLE worker_builders (
        worker_id ${big} NOT NULL, builder_id ${big} NOT NULL, master_id ${big} NOT NULL,
        PRIMARY KEY (worker_id, builder_id, master_id))${end}`,
      `CREATE INDEX worker_builders_master ON worker_builders (master_id)`,

      `CREATE TABLE change_sources (id ${id}, name ${key(190)} NOT NULL UNIQUE)${end}`,
      `CREATE TABLE schedulers (
        id ${id}, name ${key(190)} NOT NULL UNIQUE, kind ${key(32)} NOT NULL, enabled ${bool} NOT NULL, cursor_seq ${big} NOT NULL)${end}`,
      `CREATE TABLE object_state (
        owner ${key(190)} NOT NULL, name ${key(190)} NOT NULL, value ${text} NOT NULL, PRIMARY KEY (owner, name))${end}`,

      `CREATE TABLE source_stamps (
        id ${id}, hash ${key(64)} NOT NULL UNIQUE, branch ${text}, revision ${key(190)}, repository ${text} NOT NULL,
        project ${text} NOT NULL, codebase ${text} NOT NULL, created_at_ms ${big} NOT NULL)${end}`,
      `CREATE TABLE changes (
        id ${id}, seq ${big} NOT NULL UNIQUE, dedup_hash ${key(64)} NOT NULL UNIQUE, author ${text} NOT NULL, committer ${text},
        comments ${text} NOT NULL, branch ${key(190)}, revision ${key(190)}, revlink ${text} NOT NULL, category ${key(190)},
        repository ${text} NOT NULL, project ${key(190)} NOT NULL, codebase ${key(190)} NOT NULL, when_ms ${big} NOT NULL,
        received_at_ms ${big} NOT NULL, files ${text} NOT NULL, properties ${text} NOT NULL, source_stamp_id ${big} NOT NULL)${end}`,
      `CREATE INDEX changes_revision ON changes (revision)`,
      `CREATE INDEX changes_project ON changes (project, id)`,
      `CREATE INDEX changes_branch ON changes (branch, id)`,
      `CREATE INDEX changes_source_stamp ON changes (source_stamp_id)`,
      `CREATE TABLE scheduler_changes (
        scheduler_id ${big} NOT NULL, change_id ${big} NOT NULL, decision ${key(16)} NOT NULL, important ${bool} NOT NULL,
        reason ${text}, decided_at_ms ${big} NOT NULL, buildset_id ${big}, PRIMARY KEY (scheduler_id, change_id))${end}`,
      `CREATE INDEX scheduler_changes_waiting ON scheduler_changes (scheduler_id, decision, change_id)`,

      `CREATE TABLE buildsets (
        id ${id}, uuid ${uuid} NOT NULL UNIQUE, scheduler_id ${big}, scheduler_name ${key(190)} NOT NULL, cause ${key(190)} NOT NULL,
        reason ${text} NOT NULL, external_id ${text}, submitted_at_ms ${big} NOT NULL, complete_at_ms ${big}, results ${big},
        properties ${text} NOT NULL, parent_build_id ${big}, parent_relationship ${text}, rebuilt_build_id ${big},
        requests_left ${big} NOT NULL)${end}`,
      `CREATE UNIQUE INDEX buildsets_cause ON buildsets (scheduler_id, cause)`,
      `CREATE INDEX buildsets_complete ON buildsets (complete_at_ms, id)`,
      `CREATE INDEX buildsets_submitted ON buildsets (submitted_at_ms, id)`,
      `CREATE INDEX buildsets_rebuilt ON buildsets (rebuilt_build_id, id)`,
      `CREATE TABLE buildset_source_stamps (
        buildset_id ${big} NOT NULL, source_stamp_id ${big} NOT NULL, PRIMARY KEY (buildset_id, source_stamp_id))${end}`,
      `CREATE TABLE buildset_changes (
        buildset_id ${big} NOT NULL, change_id ${big} NOT NULL, PRIMARY KEY (buildset_id, change_id))${end}`,
      `CREATE INDEX buildset_changes_change ON buildset_changes (change_id, buildset_id)`,

      `CREATE TABLE build_requests (
        id ${id}, uuid ${uuid} NOT NULL UNIQUE, buildset_id ${big} NOT NULL, builder_id ${big} NOT NULL, priority ${big} NOT NULL,
        waited_for ${bool} NOT NULL, submitted_at_ms ${big} NOT NULL, claimed_at_ms ${big}, claimed_by_master_id ${big},
        complete_at_ms ${big}, results ${big}, attempts ${big} NOT NULL, deaths ${big} NOT NULL, reason ${text})${end}`,
      `CREATE INDEX build_requests_buildset ON build_requests (buildset_id, id)`,
      `CREATE INDEX build_requests_builder ON build_requests (builder_id, id)`,
      `CREATE INDEX build_requests_complete ON build_requests (complete_at_ms, id)`,
      `CREATE INDEX build_requests_submitted ON build_requests (submitted_at_ms, id)`,
      `CREATE TABLE queue (
        request_id ${big} NOT NULL PRIMARY KEY, builder_id ${big} NOT NULL, queue_rank ${big} NOT NULL,
        submitted_at_ms ${big} NOT NULL)${end}`,
      `CREATE INDEX queue_builder ON queue (builder_id, queue_rank, request_id)`,
      `CREATE INDEX queue_order ON queue (queue_rank, request_id)`,
      `CREATE TABLE claims (
        request_id ${big} NOT NULL PRIMARY KEY, build_id ${big} NOT NULL UNIQUE, builder_id ${big} NOT NULL, worker_id ${big} NOT NULL,
        master_id ${big} NOT NULL, master_epoch ${big} NOT NULL, epoch ${big} NOT NULL)${end}`,
      `CREATE INDEX claims_master ON claims (master_id, master_epoch)`,
      `CREATE INDEX claims_worker ON claims (worker_id)`,

      `CREATE TABLE builds (
        id ${id}, uuid ${uuid} NOT NULL UNIQUE, number ${big} NOT NULL, builder_id ${big} NOT NULL, request_id ${big} NOT NULL,
        buildset_id ${big} NOT NULL, attempt ${big} NOT NULL, worker_id ${big} NOT NULL, master_id ${big} NOT NULL,
        started_at_ms ${big} NOT NULL, complete_at_ms ${big}, results ${big}, state_string ${text} NOT NULL,
        locks_ms ${big} NOT NULL, properties ${text} NOT NULL)${end}`,
      `CREATE UNIQUE INDEX builds_number ON builds (builder_id, number)`,
      `CREATE INDEX builds_builder ON builds (builder_id, id)`,
      `CREATE INDEX builds_worker ON builds (worker_id, id)`,
      `CREATE INDEX builds_request ON builds (request_id, id)`,
      `CREATE INDEX builds_started ON builds (started_at_ms, id)`,
      `CREATE INDEX builds_complete ON builds (complete_at_ms, id)`,
      `CREATE INDEX builds_results ON builds (results, id)`,
      `CREATE INDEX builds_builder_results ON builds (builder_id, results, id)`,
      `CREATE TABLE steps (
        id ${id}, build_id ${big} NOT NULL, number ${big} NOT NULL, name ${key(190)} NOT NULL, started_at_ms ${big} NOT NULL,
        complete_at_ms ${big}, results ${big}, state_string ${text} NOT NULL, urls ${text} NOT NULL, hidden ${bool} NOT NULL)${end}`,
      `CREATE UNIQUE INDEX steps_number ON steps (build_id, number)`,
      `CREATE TABLE commands (
        build_id ${big} NOT NULL, step_number ${big} NOT NULL, ordinal ${big} NOT NULL, name ${key(32)} NOT NULL, uuid ${uuid} NOT NULL,
        args_hash ${key(64)} NOT NULL, sent_at_ms ${big} NOT NULL, outcome ${text}, PRIMARY KEY (build_id, step_number, ordinal))${end}`,
      `CREATE TABLE logs (
        id ${id}, build_id ${big} NOT NULL, step_id ${big} NOT NULL, name ${key(190)} NOT NULL, slug ${key(64)} NOT NULL,
        type ${key(1)} NOT NULL, num_lines ${big} NOT NULL, complete ${bool} NOT NULL)${end}`,
      `CREATE UNIQUE INDEX logs_slug ON logs (step_id, slug)`,
      `CREATE INDEX logs_build ON logs (build_id)`,
      `CREATE TABLE log_chunks (
        log_id ${big} NOT NULL, first_line ${big} NOT NULL, num_lines ${big} NOT NULL, codec ${key(8)} NOT NULL,
        content ${blob} NOT NULL, PRIMARY KEY (log_id, first_line))${end}`,

      `CREATE TABLE deliveries (
        scope ${key(64)} NOT NULL, delivery_key ${key(190)} NOT NULL, body_hash ${key(64)} NOT NULL, answer ${text} NOT NULL,
        created_at_ms ${big} NOT NULL, PRIMARY KEY (scope, delivery_key))${end}`,
    ];
    for (const statement of statements) await queryRunner.query(statement);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    const tables = [
      'deliveries log_chunks logs commands steps builds claims queue build_requests buildset_changes buildset_source_stamps',
      'buildsets scheduler_changes changes source_stamps object_state schedulers change_sources worker_builders workers',
      'builder_masters builders projects revisions master_commands ownerships masters counters',
    ];
    for (const table of tables.join(' ').split(' ')) await queryRunner.query(`DROP TABLE ${table}`);
  }
}
