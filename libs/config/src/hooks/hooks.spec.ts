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

interface Fixture {
  readonly headers: Record<string, string>;
  readonly body: unknown;
}

const fixture = (dialect: string, name: string): Fixture =>
  JSON.parse(readFileSync(resolve(FIXTURES, dialect, `${name}.json`), 'utf8')) as Fixture;

/** Reads a delivery as the forge sends it. */
function delivered(dialect: string, name: string, options: object = {}): unknown {
  const { headers, body } = fixture(dialect, name);
  return read({ dialect, ...options }, { headers, body: JSON.stringify(body) });
}

const ignored = (reason: string) => ({ kind: 'ignored', reason: expect.stringContaining(reason) as unknown });

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
    expect(hook).toMatchObject({ name: 'github', hasSecret: true, secretEnv: 'SET' });
    expect(JSON.stringify(hook)).not.toContain('s3cret');
  });
});

describe('a push', () => {
  const changesOf = (reading: unknown) =>
    (reading as { changes: { branch: string; parent?: string | null }[] }).changes;

  it.each([
    ['github', 'push', [null, null]],
    ['github', 'branch-created', [null]],
    ['gitlab', 'push', [null, null]],
    ['gitea', 'push', [null, null]],
    ['bitbucket', 'push', ['8'.repeat(40)]],
    ['bitbucketserver', 'push', ['1'.repeat(40)]],
    ['bitbucketserver', 'push-many', ['1'.repeat(40), '8'.repeat(40), undefined]],
    ['github', 'tag', [undefined]],
    ['gitlab', 'tag', [undefined]],
    ['gitea', 'tag', [undefined]],
    ['github', 'pull-opened', [undefined]],
    ['gitlab', 'merge-request', [undefined]],
    ['gitea', 'pull-opened', [undefined]],
    ['bitbucket', 'pull-created', [undefined]],
    ['bitbucketserver', 'pull-opened', [undefined]],
  ])('to a branch is of commits, with the parents that are certain: %s, %s', (dialect, name, parents) => {
    expect(changesOf(delivered(dialect, name)).map(({ parent }) => parent)).toEqual(parents);
  });

  it('whose commit a server does not describe is of no commits', () => {
    const reading = delivered('bitbucketserver', 'push-old-server', { url: 'https://stash.example' });
    expect(changesOf(reading).map(({ parent }) => parent)).toEqual([undefined]);
  });

  it.each([
    [{}, '0a'.repeat(20)],
    [{ forced: true }, null],
    [{ created: true }, null],
  ])('of a single commit to GitHub puts it on what was there before: %j', (fields, parent) => {
    const { headers, body } = fixture('github', 'push');
    const { commits, ...push } = body as { commits: object[] };
    const single = { ...push, commits: commits.slice(-1), ...fields };
    const reading = read({ dialect: 'github' }, { headers, body: JSON.stringify(single) });
    expect(changesOf(reading)).toMatchObject([{ parent }]);
  });
});

describe('the dialect github', () => {
  const github = (name: string, options: object = {}) => delivered('github', name, options);

  it('makes a change of each commit of a push', () => {
    const common = {
      ...{ author: 'Ada Example <ada@example.org>', committer: 'Grace Example <grace@example.org>', branch: 'main' },
      ...{ category: null, repository: 'https://github.example/acme/widget', project: 'acme/widget', codebase: '' },
      parent: null,
    };
    expect(github('push')).toEqual({
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

  it.each<[string, string, object]>([
    ['a new branch, of its head alone', 'branch-created', { branch: 'feature/x', category: null }],
    ['a tag', 'tag', { branch: 'v1.0', category: 'tag', revision: '2'.repeat(40) }],
    [
      'a pull request',
      'pull-opened',
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
  ])('makes one change of %s', (_what, name, change) => {
    expect(github(name)).toEqual({ kind: 'changes', changes: [expect.objectContaining(change)] });
  });

  it.each([
    ['branch-deleted', "branch 'feature/x' was deleted"],
    ['push-skip', 'skip marker'],
    ['pull-closed', 'pull request 50 was closed'],
    ['ping', 'the hook works'],
    ['issue-comment', "the event 'issue_comment'"],
  ])('ignores %s, and says why', (name, reason) => {
    expect(github(name)).toEqual(ignored(reason));
  });

  it('takes its options', () => {
    expect(github('pull-opened', { pullRequestRef: 'head', codebase: 'c', project: 'p' })).toMatchObject({
      changes: [{ branch: 'refs/pull/50/head', codebase: 'c', project: 'p' }],
    });
    const { changes } = github('pull-opened', {
      propertyWhitelist: ['github.title', 'github.base.r?f', 'github.head.repo.???_url'],
    }) as { changes: { properties: object }[] };
    expect(Object.keys(changes[0]!.properties).sort()).toEqual(
      [
        ...['basename', 'event', 'github.base.ref', 'github.head.repo.git_url', 'github.head.repo.ssh_url'],
        ...['github.head.repo.svn_url', 'github.title', 'pullrequesturl'],
      ].sort(),
    );
    expect(github('push', { skips: [/^Second/] })).toEqual(ignored('skip marker'));
    expect(github('push-skip', { skips: [] })).toMatchObject({ kind: 'changes' });
  });

  it('reads a form, too', () => {
    const body = new URLSearchParams({ payload: JSON.stringify(fixture('github', 'push').body) }).toString();
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
  const gitlab = (name: string, options: object = {}) => delivered('gitlab', name, options);
  const common = { repository: 'git@gitlab.example:acme/widget.git', project: 'Widget' };

  it.each<[string, string, object[]]>([
    [
      'each commit of a push',
      'push',
      ['1', '2'].map((digit) => ({
        ...{ ...common, branch: 'main', category: null, revision: digit.repeat(40), files: ['new.txt', 'README.md'] },
        ...{ author: 'Ada Example <ada@example.org>', whenMs: Date.parse('2026-03-01T10:00:00Z') },
        properties: { event: 'Push Hook' },
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
            ...{
              event: 'Merge Request Hook',
              source_branch: 'fast',
              source_git_ssh_url: 'git@gitlab.example:ada/widget.git',
            },
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
    ['note', "the event 'Note Hook'"],
  ])('ignores %s, and says why', (name, reason) => {
    expect(gitlab(name)).toEqual(ignored(reason));
    expect(gitlab('push', { skips: [/^Second/] })).toMatchObject({ kind: 'ignored' });
  });
});

describe('the dialect gitea', () => {
  const gitea = (name: string, options: object = {}) => delivered('gitea', name, options);
  const common = { repository: 'git@gitea.example:acme/widget.git', project: 'acme/widget', codebase: '' };

  it.each<[string, string, object[]]>([
    [
      'each commit of a push, the oldest first',
      'push',
      [
        {
          ...{ ...common, branch: 'main', category: null, revision: '1'.repeat(40), comments: 'First change\n' },
          ...{ author: 'Ada Example <ada@example.org>', committer: 'Grace Example <grace@example.org>' },
          revlink: `https://gitea.example/acme/widget/commit/${'1'.repeat(40)}`,
          whenMs: Date.parse('2026-03-01T10:00:01Z'),
          files: ['new.txt', 'README.md', 'old.txt'],
          properties: { event: 'push' },
        },
        { ...common, revision: '2'.repeat(40), files: ['README.md'] },
      ],
    ],
    [
      'the head of a new branch',
      'branch-created',
      [{ ...common, branch: 'feature/x', revision: '2'.repeat(40), category: null }],
    ],
    ['a tag', 'tag', [{ ...common, branch: 'v1.0', revision: '2'.repeat(40), category: 'tag' }]],
    ...['pull-opened', 'pull-pushed'].map((name): [string, string, object[]] => [
      'a pull request',
      name,
      [
        {
          ...{ ...common, branch: 'refs/pull/50/head', revision: '5'.repeat(40), category: 'pull', committer: null },
          ...{ author: 'Ada Example <ada@example.org>', comments: 'PR#50: Make it faster\n\nIt was slow.' },
          ...{ revlink: 'https://gitea.example/acme/widget/pulls/50', whenMs: Date.parse('2026-03-01T10:00:00Z') },
          properties: {
            ...{ event: 'pull_request', pr_id: '555', pr_number: '50', head_owner: 'ada', head_reponame: 'widget' },
            ...{ base_branch: 'main', base_sha: '4'.repeat(40), base_repo_id: '101' },
            base_repository: 'https://gitea.example/acme/widget.git',
            base_git_ssh_url: 'git@gitea.example:acme/widget.git',
            ...{ head_branch: 'fast', head_sha: '5'.repeat(40), head_repo_id: '102' },
            head_repository: 'https://gitea.example/ada/widget.git',
            head_git_ssh_url: 'git@gitea.example:ada/widget.git',
          },
        },
      ],
    ]),
  ])('makes a change of %s', (_what, name, changes) => {
    expect(gitea(name)).toMatchObject({ kind: 'changes', changes });
  });

  it.each([
    ['branch-deleted', "branch 'feature/x' was deleted"],
    ['push-skip', 'skip marker'],
    ['create', "branch 'feature/x' was created: its push says what is new"],
    ['delete', "branch 'feature/x' was deleted"],
    ['pull-closed', 'pull request 50 was closed'],
    ['pull-conflict', 'pull request 50 cannot be merged'],
    ['issue-comment', "the event 'issue_comment'"],
  ])('ignores %s, and says why', (name, reason) => {
    expect(gitea(name)).toEqual(ignored(reason));
  });
});

describe('the dialect bitbucket', () => {
  const bitbucket = (name: string, options: object = {}) => delivered('bitbucket', name, options);
  const common = { repository: 'https://bitbucket.example/acme/widget', project: 'Widgets', codebase: '' };
  const pull = {
    ...{ ...common, comments: 'Bitbucket Cloud Pull Request #50: Make it faster\nIt was slow.', committer: null },
    ...{ revlink: 'https://bitbucket.example/acme/widget/pull-requests/50', branch: 'fast' },
    ...{ repository: 'https://bitbucket.example/ada/widget', revision: '5'.repeat(12), files: [] },
    whenMs: Date.parse('2026-03-01T10:00:00Z'),
  };
  const pullProperties = (event: string) => ({
    pullrequesturl: 'https://bitbucket.example/acme/widget/pull-requests/50',
    ...{ event, source_branch: 'fast', target_branch: 'main' },
  });

  it.each<[string, string, object[]]>([
    [
      'a push',
      'push',
      [
        {
          ...{ ...common, branch: 'main', category: 'push', revision: '2'.repeat(40), comments: 'Second change\n' },
          ...{ author: 'Ada Example <ada@example.org>', committer: null, files: [] },
          revlink: `https://bitbucket.example/acme/widget/commits/${'2'.repeat(40)}`,
          ...{ whenMs: Date.parse('2026-03-01T10:00:02Z'), properties: { event: 'repo:push' } },
        },
      ],
    ],
    [
      'each ref of a push that is still there',
      'push-many',
      [
        { ...common, branch: 'main', category: 'push', revision: '1'.repeat(40) },
        { ...common, branch: 'feature/x', category: 'push', revision: '2'.repeat(40) },
        { ...common, branch: 'v1.0', category: 'tag', revision: '2'.repeat(40) },
      ],
    ],
    ...['created', 'updated', 'rejected'].map((name): [string, string, object[]] => [
      `a pull request that was ${name}`,
      `pull-${name}`,
      [{ ...pull, category: `pull-${name}`, properties: pullProperties(`pullrequest:${name}`) }],
    ]),
    [
      'a pull request that was merged, in its destination',
      'pull-fulfilled',
      [
        {
          ...{ ...pull, ...common, author: 'Grace Example <grace>', branch: 'main', revision: '6'.repeat(12) },
          ...{ category: 'pull-fulfilled', properties: pullProperties('pullrequest:fulfilled') },
        },
      ],
    ],
  ])('makes a change of %s', (_what, name, changes) => {
    const reading = bitbucket(name) as { changes: object[] };
    expect(reading).toMatchObject({ kind: 'changes', changes });
    expect(reading.changes).toHaveLength(changes.length);
  });

  it.each([
    ['branch-deleted', "branch 'feature/x' was deleted"],
    ['push-skip', 'skip marker'],
    ['comment', "the event 'repo:commit_comment_created'"],
  ])('ignores %s, and says why', (name, reason) => {
    expect(bitbucket(name)).toEqual(ignored(reason));
  });
});

describe('the dialect bitbucketserver', () => {
  const server = (name: string, options: object = {}) => delivered('bitbucketserver', name, options);
  const common = { repository: 'ssh://git@stash.example:7999/wid/widget.git', project: 'Widgets', codebase: '' };
  const link = 'https://stash.example/projects/WID/repos/widget/pull-requests/50';
  const pull = {
    ...{ ...common, comments: 'Bitbucket Server Pull Request #50: Make it faster\nIt was slow.', revlink: link },
    ...{ revision: '5'.repeat(40), committer: null, whenMs: 1_772_359_200_000, files: [] },
  };
  const properties = (event: string) => ({
    ...{ event, pullrequesturl: link, source_branch: 'fast', target_branch: 'main' },
  });
  const at = (revision: string) => `https://stash.example/projects/WID/repos/widget/commits/${revision}`;

  it.each<[string, string, object[]]>([
    [
      'a push',
      'push',
      [
        {
          ...{ ...common, branch: 'main', category: 'push', revision: '2'.repeat(40), comments: 'Second change' },
          ...{ author: 'Ada Example <ada@example.org>', committer: 'Grace Example <grace@example.org>', files: [] },
          ...{ revlink: at('2'.repeat(40)), whenMs: 1_772_359_202_000, properties: { event: 'repo:refs_changed' } },
        },
      ],
    ],
    [
      'each ref of a push that is still there',
      'push-many',
      [
        { ...common, branch: 'main', category: 'push', revision: '2'.repeat(40) },
        { ...common, branch: 'feature/x', category: 'push', revision: '1'.repeat(40) },
        { ...common, branch: 'v1.0', category: 'tag', revision: '2'.repeat(40) },
      ],
    ],
    ...[
      ['pull-opened', 'pr:opened', 'pull-created', 'refs/pull-requests/50/merge'],
      ['pull-pushed', 'pr:from_ref_updated', 'pull-updated', 'refs/pull-requests/50/merge'],
      ['pull-declined', 'pr:declined', 'pull-rejected', 'fast'],
    ].map(([name, event, category, branch]): [string, string, object[]] => [
      name!,
      name!,
      [{ ...pull, branch, category, properties: properties(event!) }],
    ]),
    [
      'a pull request that was merged, in its target',
      'pull-merged',
      [
        {
          ...{ ...pull, branch: 'main', revision: '6'.repeat(40), category: 'pull-fulfilled' },
          ...{ author: 'Grace Example <grace@example.org>', properties: properties('pr:merged') },
        },
      ],
    ],
  ])('makes a change of %s', (_what, name, changes) => {
    const reading = server(name) as { changes: object[] };
    expect(reading).toMatchObject({ kind: 'changes', changes });
    expect(reading.changes).toHaveLength(changes.length);
  });

  it.each([
    ['branch-deleted', "branch 'feature/x' was deleted"],
    ['push-skip', 'skip marker'],
    ['pull-approved', "the event 'pr:reviewer:approved'"],
    ['ping', 'the hook works'],
  ])('ignores %s, and says why', (name, reason) => {
    expect(server(name)).toEqual(ignored(reason));
  });

  it('needs to know where a server is that does not say so', () => {
    expect(() => server('push-old-server')).toThrow('set url');
    expect(server('push-old-server', { url: 'https://stash.example/' })).toMatchObject({
      changes: [
        {
          repository: 'https://stash.example/scm/wid/widget.git',
          ...{ revlink: at('2'.repeat(40)), author: 'Ada Example <ada@example.org>' },
          comments: `Bitbucket Server commit ${'2'.repeat(40)}`,
        },
      ],
    });
    expect(compiled({ dialect: 'bitbucketserver', strict: false, url: 'https://ada:pw@h' }).problems).toHaveLength(1);
  });

  it('builds the head of a pull request when told to', () => {
    expect(server('pull-opened', { pullRequestRef: 'from' })).toMatchObject({
      changes: [{ branch: 'refs/pull-requests/50/from' }],
    });
  });
});

describe.each([
  ['github', 'x-github-event'],
  ['gitlab', 'x-gitlab-event'],
  ['gitea', 'x-gitea-event'],
  ['bitbucket', 'x-event-key'],
  ['bitbucketserver', 'x-event-key'],
])('a delivery of %s', (dialect, header) => {
  it('has to say what it is', () => {
    const { body } = fixture(dialect, 'push');
    expect(() => read({ dialect }, { body: JSON.stringify(body) })).toThrow(
      expect.objectContaining({
        code: 'bad-delivery',
        message: expect.stringMatching(new RegExp(header, 'i')) as unknown,
      }),
    );
  });

  it('is known again by its id', () => {
    const { headers } = fixture(dialect, 'push');
    expect(hookDialect(dialect).deliveryHeaders.some((name) => headers[name] !== undefined)).toBe(true);
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
