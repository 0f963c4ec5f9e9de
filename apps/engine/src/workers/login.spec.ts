import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { PbCredentials, pbDigest } from '@millrace/worker-protocol';
import { LoginThrottle } from '@millrace/domain';
import { checkAnswer, checkPassword, Login, type WorkerDirectory } from './login.js';

const challenge = Buffer.from('0123456789abcdef');
const worker = (name: string) => ({
  name,
  hasPassword: true,
  maxBuilds: 1,
  missingTimeoutMs: null,
  env: {},
  properties: {},
});
const workers = [worker('w1'), worker('w2')];
const directory: WorkerDirectory = {
  workers: new Map(workers.map((one) => [one.name, one])),
  workerIds: new Map([
    ['w1', 1],
    ['w2', 2],
  ]),
  workerDigests: { w1: pbDigest('one').toString('hex'), w2: pbDigest('two').toString('hex') },
  tokens: { check: () => null, checkPb: () => null, isWorking: () => false },
  builddirs: () => [],
};

/** Returns the answer of a worker with that password to the challenge. */
function answer(name: string, password: string): PbCredentials {
  const response = createHash('md5').update(pbDigest(password)).update(challenge).digest();
  return new PbCredentials(name, challenge, response);
}

describe('checkAnswer', () => {
  it.each([
    ['w1', 'one', 'w1'],
    ['w2', 'two', 'w2'],
    ['w1', 'two', undefined],
    ['w1', '', undefined],
    ['nobody', 'one', undefined],
    ['__proto__', 'one', undefined],
    ['', '', undefined],
  ])('%j with %j is %j', (name, password, expected) => {
    expect(checkAnswer(answer(name, password), directory)?.name).toBe(expected);
  });

  it('accepts no worker that is no longer configured', () => {
    expect(checkAnswer(answer('w1', 'one'), { ...directory, workers: new Map() })).toBeNull();
  });
});

describe('checkPassword', () => {
  it.each([
    ['w1', 'one', 'w1'],
    ['w2', 'two', 'w2'],
    ['w1', 'two', undefined],
    ['w1', '', undefined],
    ['nobody', 'one', undefined],
    ['__proto__', '', undefined],
  ])('%j with %j is %j', (name, password, expected) => {
    expect(checkPassword({ name, password }, directory)?.name).toBe(expected);
  });

  it('accepts a worker with a token or its password, but only one that the configuration knows', () => {
    const tokens = {
      check: ({ password }: { password: string }) => (password === 'token' ? 7 : null),
      checkPb: () => 8,
      isWorking: () => true,
    };
    const withTokens = { ...directory, workerDigests: {}, tokens };
    expect(checkPassword({ name: 'w1', password: 'token' }, withTokens)).toMatchObject({ name: 'w1', tokenId: 7 });
    expect(checkPassword({ name: 'w1', password: '' }, withTokens)).toBeNull();
    expect(checkPassword({ name: 'nobody', password: 'token' }, withTokens)).toBeNull();
    expect(checkAnswer(answer('w1', 'x'), withTokens)).toMatchObject({ name: 'w1', tokenId: 8 });
  });

  it('accepts only the new password after a rotation', () => {
    const rotated = { ...directory, workerDigests: { w1: pbDigest('new').toString('hex') } };
    expect(checkPassword({ name: 'w1', password: 'one' }, rotated)).toBeNull();
    expect(checkPassword({ name: 'w1', password: 'new' }, rotated)?.name).toBe('w1');
  });
});

describe('Login', () => {
  it('accepts the right credentials soon, over either protocol, however often somebody failed before', () => {
    const login = new Login(directory, new LoginThrottle());
    const attempt = (name: string, password: string, address = '10.0.0.1') =>
      login.withPassword({ name, password }, address);
    for (let i = 0; i < 5; i++) expect(attempt('w1', 'wrong')).toEqual({ refused: 'wrong-credentials', afterMs: 0 });
    for (let i = 0; i < 500; i++) {
      const { refused, afterMs } = { refused: null, ...login.withAnswer(answer('w1', 'wrong'), '10.0.0.1') };
      expect(refused).toBe('wrong-credentials');
      expect(afterMs).toBeGreaterThanOrEqual(1000);
    }
    const name = expect.objectContaining({ name: 'w1' });
    expect(attempt('w1', 'one', '10.0.0.2')).toEqual({ worker: name, afterMs: 1000 });
    expect(attempt('w1', 'one')).toEqual({ worker: name, afterMs: 1000 });
    expect(login.withAnswer(answer('w1', 'one'), '10.0.0.1')).toEqual({ worker: name, afterMs: 1000 });
    expect(login.withAnswer(answer('w2', 'two'), '10.0.0.3')).toMatchObject({ afterMs: 0 });
  });
});
