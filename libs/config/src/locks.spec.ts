import { describe, expect, it } from '@jest/globals';
import { compileConfig } from './compile.js';
import { checkedLocks, lock, resources, workerLock } from './locks.js';
import { ConfigError } from './problems.js';
import { customStep } from './step.js';
import { builder, worker } from './vocabulary.js';

const db = lock('db', { maxCount: 2 });
const boards = resources('boards', ['a', 'b']);

describe('the locks that a callback returns', () => {
  it.each<[string, readonly unknown[]]>([
    ['none', []],
    ['a lock and resources', [db.access('counting', 2), boards.take(2)]],
  ])('are taken as they are: %s', (_what, entries) => expect(checkedLocks(entries)).toEqual(entries));

  it.each<[string, unknown, string]>([
    ['no list', 'db', 'returned no list of locks'],
    ['nothing', undefined, 'returned no list of locks'],
    ['a lock without access', [db], "at [0]: expected an entry such as lock('db').access('exclusive')"],
    ['more than there is', [boards.take(3)], "at [0]: expected 1 to 2 of the resources 'boards', not 3"],
    ['too many', Array.from({ length: 21 }, () => db.access('counting')), 'returned 21 locks: expected at most 20'],
  ])('are refused: %s', (_what, value, message) =>
    expect(() => checkedLocks(value)).toThrow(
      expect.objectContaining({ code: 'bad-locks', message: expect.stringContaining(message) as unknown }),
    ),
  );
});

describe('the callback locks of a builder', () => {
  const compiled = (locks: () => unknown) =>
    compileConfig(
      {
        locks: [db],
        workers: [worker('w')],
        builders: [{ ...builder('b', { workers: ['w'], maxBuilds: 2, factory: [customStep('do', () => 0)] }), locks }],
      },
      { env: {} },
    );
  const answer = (locks: () => unknown): unknown => compiled(locks).callbacks.get('builders.0.locks')!();

  it('is known by its handle, and is a part of the builder', () => {
    const [one, other] = [() => [], () => [db.access('exclusive')]].map(
      (locks) => compiled(locks).revision.builders[0]!,
    );
    expect(one!.choices).toEqual({ locks: 'builders.0.locks' });
    expect(one!.locks!.map(({ lock: name }) => name)).toEqual(['builder:b']);
    expect(one!.fingerprint).not.toBe(other!.fingerprint);
  });

  it('gives what the build wants of its locks', async () =>
    expect(await answer(() => Promise.resolve([db.access('counting', 2)]))).toEqual([
      { lock: 'db', mode: 'counting', count: 2, property: null },
    ]));

  it.each<[string, () => unknown, string]>([
    ['something else', () => 'db', 'returned no list of locks'],
    ['a lock that is not configured', () => [lock('other').access('exclusive')], "names the lock 'other', which the"],
  ])('is refused for %s', (_what, locks, message) =>
    expect(answer(locks)).rejects.toMatchObject({
      code: 'bad-locks',
      message: expect.stringContaining(message) as unknown,
    }),
  );
});

describe('a configuration whose steps make their locks', () => {
  const compiled = (locks: unknown) => {
    const step = customStep('do', () => 0, { locks: () => [db.access('exclusive')] });
    return compileConfig(
      { workers: [worker('w')], builders: [builder('b', { workers: ['w'], factory: [step] })], locks },
      { env: {} },
    ).revision.locks;
  };

  it('has the locks that it names, though nothing uses them', () => {
    const names = compiled([db, workerLock('disk'), boards])!.map(({ name, kind }) => [name, kind]);
    expect(names).toEqual([
      ['boards', 'resources'],
      ['db', 'lock'],
      ['disk', 'worker-lock'],
    ]);
    expect(compiled(undefined)).toBeUndefined();
  });

  it.each<[string, unknown, string]>([
    ['a name', ['db'], 'locks[0] is "db"; expected a lock such as lock(\'db\')'],
    ['two with one name', [db, lock('db')], "the same lock wherever 'db' is used; it is defined in two ways"],
    ['no units', [lock('none', { maxCount: 0 })], "a lock of 1 to 10000 units; 'none' has 0 (maxCount)"],
  ])('is refused for %s', (_what, locks, message) => {
    let problems: string[] = [];
    try {
      compiled(locks);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems = error.problems.map((problem) => problem.message);
    }
    expect(problems.join('\n')).toContain(message);
  });
});
