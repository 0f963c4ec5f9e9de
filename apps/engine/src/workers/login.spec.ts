import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { hashPassword } from '@millrace/domain';
import { PbCredentials, pbDigest } from '@millrace/worker-protocol';
import { checkPbLogin, Login, type WorkerDirectory } from './login.js';

const challenge = Buffer.from('0123456789abcdef');
const worker = (name: string, password: string) => ({
  name,
  passwordHash: hashPassword(password),
  maxBuilds: 1,
  missingTimeoutMs: null,
  env: {},
  properties: {},
});
const workers = [worker('w1', 'one'), worker('w2', 'two')];
const directory: WorkerDirectory = {
  workers: new Map(workers.map((one) => [one.name, one])),
  workerIds: new Map([
    ['w1', 1],
    ['w2', 2],
  ]),
  workerDigests: { w1: pbDigest('one').toString('hex'), w2: pbDigest('two').toString('hex') },
  tokens: { check: () => null, checkPb: () => null },
  builddirs: () => [],
};

/** What a worker with that password answers to the challenge. */
function answer(name: string, password: string): PbCredentials {
  const response = createHash('md5').update(pbDigest(password)).update(challenge).digest();
  return new PbCredentials(name, challenge, response);
}

describe('checkPbLogin', () => {
  it.each([
    ['w1', 'one', 'w1'],
    ['w2', 'two', 'w2'],
    ['w1', 'two', undefined],
    ['w1', '', undefined],
    ['nobody', 'one', undefined],
    ['__proto__', 'one', undefined],
    ['', '', undefined],
  ])('%j with %j is %j', (name, password, expected) => {
    expect(checkPbLogin(answer(name, password), directory)?.name).toBe(expected);
  });

  it('lets nobody in as a worker that is no longer configured', () => {
    expect(checkPbLogin(answer('w1', 'one'), { ...directory, workers: new Map() })).toBeNull();
  });
});

describe('Login', () => {
  it('knows the right password, also the second time, and not after it was changed', () => {
    const login = new Login();
    for (let time = 0; time < 2; time++) {
      expect(login.check({ name: 'w1', password: 'one' }, directory)?.name).toBe('w1');
      expect(login.check({ name: 'w1', password: 'two' }, directory)).toBeNull();
    }
    const rotated = { ...directory, workers: new Map([['w1', worker('w1', 'new')]]) };
    expect(login.check({ name: 'w1', password: 'one' }, rotated)).toBeNull();
    expect(login.check({ name: 'nobody', password: 'one' }, directory)).toBeNull();
  });
});
