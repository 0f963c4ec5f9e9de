import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { CompiledHook } from '@millrace/contracts';
import type { JsonValue } from '@millrace/domain';
import { CallbackTable } from '../callback-table.js';
import { ObjectReader, ProblemList } from '../object-reader.js';
import { compileHook } from './compile.js';
import { hookDialect } from './registry.js';

const FIXTURES = resolve(import.meta.dirname, '../../test/hooks');

function compiled(options: object): { hook: CompiledHook; problems: string[]; secret: string | null } {
  const found = new ProblemList();
  const reader = new ObjectReader(options, 'hooks[0]', found);
  const { hook, secret } = compileHook(reader, new CallbackTable(), (name) => (name === 'SET' ? 's3cret' : undefined));
  return { hook, secret, problems: found.problems.map(({ message }) => message) };
}

interface Sent {
  readonly body: string;
  readonly headers?: Record<string, string>;
  readonly query?: string;
  readonly answer?: JsonValue;
}

function read(options: object, { body, headers = {}, query = '', answer }: Sent): unknown {
  const { hook, problems } = compiled({ strict: false, ...options });
  expect(problems).toEqual([]);
  return hookDialect(hook.dialect).read(hook, { body, headers, query }, answer);
}

const fixture = (dialect: string, name: string): string =>
  readFileSync(resolve(FIXTURES, dialect, `${name}.json`), 'utf8');

describe('a hook', () => {
  it.each<[string, object, string | null]>([
    ['without a secret', {}, 'is missing: without a secret everybody could make changes'],
    ['with a secret that is not set', { secretEnv: 'UNSET' }, 'names UNSET, which is not set'],
    ['with a secret in the file', { secretEnv: 'not a name' }, 'has to name an environment variable'],
    ['without a secret on purpose', { strict: false }, null],
    ['with a secret', { secretEnv: 'SET' }, null],
  ])('%s', (_what, options, problem) => {
    const { problems } = compiled({ dialect: 'github', ...options });
    expect(problems).toEqual(problem === null ? [] : [expect.stringContaining(problem)]);
    expect(JSON.stringify(problems)).not.toContain('not a name');
  });

  it('keeps its secret apart from what is stored', () => {
    const { hook, secret } = compiled({ dialect: 'github', secretEnv: 'SET' });
    expect(secret).toBe('s3cret');
    expect(hook).toMatchObject({ name: 'github', hasSecret: true });
    expect(JSON.stringify(hook)).not.toContain('s3cret');
  });
});

describe('the dialect github', () => {
  const github = (name: string, event: string, options: object = {}) =>
    read(
      { dialect: 'github', ...options },
      { body: fixture('github', name), headers: { 'x-github-event': event, 'content-type': 'application/json' } },
    );
  const ignored = (reason: string) => ({ kind: 'ignored', reason: expect.stringContaining(reason) as unknown });

  it('makes a change of each commit of a push', () => {
    const common = {
      ...{ author: 'Ada Example <ada@example.org>', committer: 'Grace Example <grace@example.org>', branch: 'main' },
      ...{ category: null, repository: 'https://github.example/acme/widget', project: 'acme/widget', codebase: '' },
    };
    expect(github('push', 'push')).toEqual({
      kind: 'changes',
      changes: [
        {
          ...common,
          comments: 'First change',
          revision: '1'.repeat(40),
          revlink: `https://github.example/acme/widget/commit/${'1'.repeat(40)}`,
          whenMs: Date.parse('2026-03-01T10:00:01Z'),
          files: ['new.txt', 'README.md', 'old.txt'],
          properties: { github_distinct: true, event: 'push' },
        },
        expect.objectContaining({
          ...common,
          files: ['README.md'],
          properties: { github_distinct: false, event: 'push' },
        }),
      ],
    });
  });

  it.each<[string, string, string, object]>([
    ['a new branch, of its head alone', 'branch-created', 'push', { branch: 'feature/x', category: null }],
    ['a tag', 'tag', 'push', { branch: 'v1.0', category: 'tag', revision: '2'.repeat(40) }],
    [
      'a pull request',
      'pull-opened',
      'pull_request',
      {
        ...{ author: 'ada', committer: null, category: 'pull', branch: 'refs/pull/50/merge', revision: '5'.repeat(40) },
        ...{ repository: 'https://github.example/acme/widget', project: 'acme/widget', files: [] },
        comments: 'GitHub Pull Request #50 (1 commit)\nMake it faster\nIt was slow.',
        revlink: 'https://github.example/acme/widget/pull/50',
        whenMs: Date.parse('2026-03-01T10:00:00Z'),
        properties: {
          basename: 'main',
          pullrequesturl: 'https://github.example/acme/widget/pull/50',
          event: 'pull_request',
        },
      },
    ],
  ])('makes one change of %s', (_what, name, event, change) => {
    expect(github(name, event)).toEqual({ kind: 'changes', changes: [expect.objectContaining(change)] });
  });

  it.each([
    ['branch-deleted', 'push', "branch 'feature/x' was deleted"],
    ['push-skip', 'push', 'skip marker'],
    ['pull-closed', 'pull_request', 'pull request 50 was closed'],
    ['ping', 'ping', 'the hook works'],
    ['issue-comment', 'issue_comment', "the event 'issue_comment'"],
  ])('ignores %s, and says why', (name, event, reason) => {
    expect(github(name, event)).toEqual(ignored(reason));
  });

  it('takes its options', () => {
    expect(
      github('pull-opened', 'pull_request', { pullRequestRef: 'head', codebase: 'c', project: 'p' }),
    ).toMatchObject({
      changes: [{ branch: 'refs/pull/50/head', codebase: 'c', project: 'p' }],
    });
    const { changes } = github('pull-opened', 'pull_request', {
      propertyWhitelist: ['github.title', 'github.base.r?f', 'github.head.repo.*_url'],
    }) as { changes: { properties: object }[] };
    expect(Object.keys(changes[0]!.properties).sort()).toEqual(
      [
        ...['basename', 'event', 'github.base.ref', 'github.head.repo.clone_url', 'github.head.repo.html_url'],
        ...['github.head.repo.ssh_url', 'github.title', 'pullrequesturl'],
      ].sort(),
    );
    expect(github('push', 'push', { skips: [/^Second/] })).toEqual(ignored('skip marker'));
    expect(github('push-skip', 'push', { skips: [] })).toMatchObject({ kind: 'changes' });
  });

  it('reads a form, too', () => {
    const body = new URLSearchParams({ payload: fixture('github', 'push') }).toString();
    const headers = { 'x-github-event': 'push', 'content-type': 'application/x-www-form-urlencoded' };
    expect(read({ dialect: 'github' }, { body, headers })).toMatchObject({ kind: 'changes' });
  });

  it.each([
    ['no JSON', '{', 'bad-json'],
    ['a list', '[]', 'bad-delivery'],
    ['no ref', '{}', 'bad-delivery'],
    [
      'a commit without an id',
      '{"ref":"refs/heads/m","after":"1","commits":[{}],"repository":{"html_url":"h"}}',
      'bad-delivery',
    ],
    ['a deep body', `${'['.repeat(40)}${']'.repeat(40)}`, 'json-too-deep'],
  ])('refuses %s', (_what, body, code) => {
    expect(() => read({ dialect: 'github' }, { body, headers: { 'x-github-event': 'push' } })).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe('the dialect gitlab', () => {
  const gitlab = (name: string, options: object = {}) =>
    read(
      { dialect: 'gitlab', ...options },
      { body: fixture('gitlab', name), headers: { 'x-gitlab-event': 'An Event', 'content-type': 'application/json' } },
    );
  const common = { repository: 'git@gitlab.example:acme/widget.git', project: 'Widget' };

  it.each<[string, string, object[]]>([
    [
      'each commit of a push',
      'push',
      ['1', '2'].map((digit) => ({
        ...{ ...common, branch: 'main', category: null, revision: digit.repeat(40), files: ['new.txt', 'README.md'] },
        ...{ author: 'Ada Example <ada@example.org>', whenMs: Date.parse('2026-03-01T10:00:00Z') },
        properties: { event: 'An Event' },
      })),
    ],
    [
      'the head of a new branch',
      'branch-created',
      [{ ...common, branch: 'feature/x', revision: '2'.repeat(40), author: 'Ada Example', category: null }],
    ],
    ['a tag', 'tag', [{ ...common, branch: 'v1.0', revision: '2'.repeat(40), category: 'tag', comments: 'Second' }]],
    ...['merge-request', 'merge-request-pushed'].map((name): [string, string, object[]] => [
      'a merge request',
      name,
      [
        {
          ...{ branch: 'fast', revision: '5'.repeat(40), category: 'merge_request', project: 'Widget' },
          ...{ repository: 'git@gitlab.example:ada/widget.git', comments: 'MR#1: Make it faster\n\nIt was slow.' },
          properties: {
            ...{ event: 'An Event', source_branch: 'fast', source_git_ssh_url: 'git@gitlab.example:ada/widget.git' },
            ...{ target_branch: 'main', target_git_ssh_url: 'git@gitlab.example:acme/widget.git' },
          },
        },
      ],
    ]),
  ])('makes a change of %s', (_what, name, changes) => {
    expect(gitlab(name)).toMatchObject({ kind: 'changes', changes });
  });

  it.each([
    ['branch-deleted', "branch 'feature/x' was deleted"],
    ['merge-request-labelled', 'nothing new to build'],
    ['note', "the event 'An Event'"],
  ])('ignores %s, and says why', (name, reason) => {
    expect(gitlab(name)).toEqual({ kind: 'ignored', reason: expect.stringContaining(reason) as unknown });
    expect(gitlab('push', { skips: [/^Second/] })).toMatchObject({ kind: 'ignored' });
  });
});

describe('the dialect base', () => {
  const base = (fields: Record<string, string>) =>
    read({ dialect: 'base', project: 'p' }, { body: new URLSearchParams(fields).toString() });

  it('reads every field of a change', () => {
    const fields = {
      ...{ author: 'Ada', committer: 'Grace', comments: 'c', branch: 'b', revision: 'r', revlink: 'l', category: 'k' },
      ...{ repository: 'g', project: 'q', codebase: 'o', when: '12.5', files: '["f"]', properties: '{"a":[1]}' },
    };
    expect(base(fields)).toEqual({
      kind: 'changes',
      changes: [
        {
          ...{ author: 'Ada', committer: 'Grace', comments: 'c', branch: 'b', revision: 'r', revlink: 'l' },
          ...{ category: 'k', repository: 'g', project: 'q', codebase: 'o', whenMs: 12_500, files: ['f'] },
          properties: { a: [1] },
        },
      ],
    });
    expect(base({ who: 'Ada' })).toMatchObject({ changes: [{ author: 'Ada', project: 'p', branch: null }] });
  });

  it.each<[Record<string, string>, string]>([
    [{}, 'author'],
    [{ author: 'a', files: '{}' }, 'files'],
    [{ author: 'a', when: 'now' }, 'when'],
    [{ author: 'a', properties: '[]' }, 'properties'],
  ])('refuses %j', (fields, named) => {
    expect(() => base(fields)).toThrow(named);
  });
});

describe('the dialect poller', () => {
  it.each<[string, string, string, object, object]>([
    ['one in the form', 'poller=a', '', {}, { kind: 'poll', sources: ['a'] }],
    ['several, once each', 'poller=a', 'poller=b&poller=a', {}, { kind: 'poll', sources: ['b', 'a'] }],
    ['an allowed one', 'poller=a', '', { allowed: ['a'] }, { kind: 'poll' }],
    ['another one', 'poller=b', '', { allowed: ['a'] }, { kind: 'ignored', reason: expect.stringContaining("'b'") }],
  ])('reads %s', (_what, body, query, options, expected) => {
    expect(read({ dialect: 'poller', ...options }, { body, query })).toMatchObject(expected);
  });

  it('refuses to poll nothing', () => {
    expect(() => read({ dialect: 'poller' }, { body: '' })).toThrow('poller=NAME');
  });
});

describe('the dialect custom', () => {
  const options = { dialect: 'custom', name: 'mine', parse: () => [], codebase: 'c' };
  const answered = (answer: JsonValue) => read(options, { body: 'b', answer });

  it('asks the parser, and makes changes of its answer', () => {
    expect(read(options, { body: 'b', headers: { a: '1' }, query: 'q' })).toEqual({
      ...{ kind: 'ask', handle: 'hooks.0.parse', value: { body: 'b', headers: { a: '1' }, query: 'q' } },
    });
    expect(answered([{ author: 'Ada', branch: 'b', when: 5, properties: { x: 1 } }])).toMatchObject({
      kind: 'changes',
      changes: [{ author: 'Ada', branch: 'b', revision: null, codebase: 'c', whenMs: 5, properties: { x: 1 } }],
    });
    expect(answered([])).toMatchObject({ kind: 'ignored' });
    expect(answered({ ignored: 'not mine' })).toEqual({ kind: 'ignored', reason: 'not mine' });
  });

  it.each<[JsonValue]>([[null], ['text'], [{}], [[{}]], [[1]], [[{ author: 'a', properties: [] }]]])(
    'refuses the answer %j',
    (answer) => {
      expect(() => answered(answer)).toThrow();
    },
  );

  it.each<[unknown, object | null]>([
    [undefined, { kind: 'authorization' }],
    [{ hmac: 'X-Sig' }, { kind: 'hmac', header: 'x-sig' }],
    [{ token: 'X-Token' }, { kind: 'token', header: 'x-token' }],
    ['none', null],
    [{ token: 'a b' }, null],
  ])('is signed as the option %j says', (signature, proof) => {
    const { hook, problems } = compiled({
      ...options,
      strict: false,
      ...(signature === undefined ? {} : { signature }),
    });
    if (proof === null) expect(problems).toHaveLength(1);
    else expect(hookDialect('custom').proof(hook)).toEqual(proof);
  });
});
