import { describe, expect, it } from '@jest/globals';
import { judgeSqlitePlan, type PlanRow } from './sqlite-plan.js';

const plan = (...details: string[]): PlanRow[] => details.map((detail, i) => ({ id: i + 1, parent: 0, detail }));

describe('judgeSqlitePlan', () => {
  it('refuses a scan of a history table, under any alias', () => {
    const sql = 'SELECT * FROM builds b WHERE b.state_string = ? LIMIT 1';
    expect(judgeSqlitePlan(sql, plan('SCAN b'))).toContain('scans builds');
    expect(judgeSqlitePlan('UPDATE steps SET hidden = 1 WHERE name = ?', plan('SCAN steps'))).toContain('scans steps');
  });

  it('knows the tables behind quoted names', () => {
    const sql =
      'SELECT "BuildEntity"."id" AS "BuildEntity_id" FROM "builds" "BuildEntity" WHERE ("BuildEntity"."attempt" = ?)';
    expect(judgeSqlitePlan(sql, plan('SCAN BuildEntity'))).toContain('scans builds');
    expect(judgeSqlitePlan('UPDATE "steps" SET "hidden" = ? WHERE "name" = ?', plan('SCAN steps'))).toContain(
      'scans steps',
    );
  });

  it('allows a walk in the order of an index that a LIMIT ends', () => {
    const sql = 'SELECT * FROM builds b WHERE b.complete_at_ms IS NOT NULL ORDER BY b.id DESC LIMIT ? OFFSET ?';
    expect(judgeSqlitePlan(sql, plan('SCAN b'))).toBeNull();
    expect(judgeSqlitePlan(sql, plan('SCAN b', 'USE TEMP B-TREE FOR ORDER BY'))).toContain('scans builds');
    expect(judgeSqlitePlan('SELECT * FROM builds b ORDER BY b.id', plan('SCAN b'))).toContain('scans builds');
  });

  it('refuses to sort rows of which one builder may have any number', () => {
    const sql = 'SELECT * FROM builds b WHERE b.builder_id = ? ORDER BY b.started_at_ms LIMIT 20';
    const sort = 'USE TEMP B-TREE FOR ORDER BY';
    expect(judgeSqlitePlan(sql, plan('SEARCH b USING INDEX builds_builder (builder_id=?)', sort))).toContain('sorts');
    const byRequest = 'SELECT * FROM builds b WHERE b.request_id = ? ORDER BY b.number';
    expect(judgeSqlitePlan(byRequest, plan('SEARCH b USING INDEX builds_request (request_id=?)', sort))).toBeNull();
  });

  it('allows scans of small tables', () => {
    expect(
      judgeSqlitePlan('SELECT * FROM workers w ORDER BY w.name', plan('SCAN w', 'USE TEMP B-TREE FOR ORDER BY')),
    ).toBeNull();
  });
});
