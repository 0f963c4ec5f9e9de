import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Database, WorkerTokenStore } from '@millrace/database';
import { type SqliteDatabase, sqliteDatabase } from '@millrace/testing';
import { PbCredentials, pbDigest } from '@millrace/worker-protocol';
import { WorkerTokens } from '../../src/workers/tokens.js';

const CHALLENGE = Buffer.from('0123456789abcdef');

describe('WorkerTokens', () => {
  let site: SqliteDatabase;
  let db: Database;
  let tokens: WorkerTokens;

  beforeAll(async () => {
    site = await sqliteDatabase();
    ({ db } = site);
    tokens = new WorkerTokens(new WorkerTokenStore(db));
    await make('w1', 'first');
    await make('w1', 'second', { pb: true });
    await make('w2', 'other', { pb: true });
    await tokens.refresh();
  });
  afterAll(async () => {
    await site.close();
  });

  const make = (workerName: string, token: string, { pb = false, revokeOld = false } = {}): Promise<void> =>
    new WorkerTokenStore(db).create({
      workerName,
      hash: createHash('sha256').update(token).digest('hex'),
      pbDigest: pb ? pbDigest(token).toString('hex') : null,
      revokeOld,
    });
  const check = (name: string, password: string): boolean => tokens.check({ name, password }) !== null;
  const checkPb = (name: string, password: string): boolean => {
    const response = createHash('md5').update(pbDigest(password)).update(CHALLENGE).digest();
    return tokens.checkPb(new PbCredentials(name, CHALLENGE, response)) !== null;
  };

  it.each([
    ['w1', 'first', true, false],
    ['w1', 'second', true, true],
    ['w1', 'other', false, false],
    ['w2', 'other', true, true],
    ['w1', '', false, false],
    ['nobody', 'first', false, false],
    ['__proto__', 'first', false, false],
  ])('%s with %j: %s, over PB %s', (name, password, overMsgpack, overPb) => {
    expect([check(name, password), checkPb(name, password)]).toEqual([overMsgpack, overPb]);
  });

  it('are read again when something has changed, and only then', async () => {
    expect(await tokens.refresh()).toBe(false);
    const old = tokens.check({ name: 'w1', password: 'second' })!;
    await make('w1', 'third', { revokeOld: true });
    expect([check('w1', 'third'), check('w1', 'first'), tokens.isWorking(old)]).toEqual([false, true, true]);
    expect(await tokens.refresh()).toBe(true);
    expect([check('w1', 'third'), check('w1', 'first'), tokens.isWorking(old)]).toEqual([true, false, false]);
    await new WorkerTokenStore(db).revoke('w2');
    await tokens.refresh();
    expect(check('w2', 'other')).toBe(false);
  });
});
