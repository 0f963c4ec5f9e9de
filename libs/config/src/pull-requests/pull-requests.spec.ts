import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { CompiledPullRequestSource } from '@millrace/contracts';
import { CallbackTable } from '../callback-table.js';
import { Payload } from '../hooks/payload.js';
import { ObjectReader, ProblemList } from '../object-reader.js';
import { compilePullRequests } from './compile.js';
import { githubPullRequestPoller, gitlabMergeRequestPoller } from './options.js';
import { pullRequestForge } from './registry.js';

const recorded = (name: string): unknown[] =>
  JSON.parse(
    readFileSync(resolve(import.meta.dirname, '../../test/pull-requests', `${name}.json`), 'utf8'),
  ) as unknown[];

function compiled(definition: { readonly kind: CompiledPullRequestSource['kind'] }): {
  source: CompiledPullRequestSource;
  problems: string[];
} {
  const found = new ProblemList();
  const { kind, ...options } = definition;
  const reader = new ObjectReader({ kind, ...options }, 'changeSources[0]', found);
  reader.raw('kind');
  const source = compilePullRequests(reader, pullRequestForge(kind), new CallbackTable(), (name) => name === 'SET');
  return { source, problems: found.problems.map(({ message }) => message) };
}

const github = (options: object = {}) =>
  githubPullRequestPoller({ owner: 'acme', repo: 'widget', apiUrl: 'https://api.github.example/', ...options });
const gitlab = (options: object = {}) =>
  gitlabMergeRequestPoller({ path: 'acme/widget', apiUrl: 'https://gitlab.example/api/v4', ...options });

describe('a poller of pull requests', () => {
  it.each<[string, { readonly kind: CompiledPullRequestSource['kind'] }, string | null]>([
    ['GitHub', github({ tokenEnv: 'SET', branches: ['main'], pullRequestFilter: () => true }), null],
    ['GitLab', gitlab({ branches: 'all', repositoryType: 'ssh' }), null],
    ['a name that is no name', github({ owner: '..' }), 'owner is ".."'],
    ['a path that is no path', gitlab({ path: 'widget?x=' }), 'path is "widget?x="'],
    ['a token that is not set', github({ tokenEnv: 'UNSET' }), 'tokenEnv names UNSET, which is not set'],
    ['a token in the file', github({ tokenEnv: 'ghp token' }), 'tokenEnv has to name an environment variable'],
    ['a password in the address', github({ apiUrl: 'https://a:b@h' }), 'apiUrl is'],
    ['a filter that is none', github({ pullRequestFilter: 'x' }), 'pullRequestFilter is "x"'],
    ['an option of another kind', gitlab({ magicLink: true }), 'magicLink is not a setting'],
  ])('reads %s', (_what, definition, problem) => {
    const { problems } = compiled(definition);
    expect(problems).toEqual(problem === null ? [] : [expect.stringContaining(problem)]);
    expect(JSON.stringify(problems)).not.toContain('ghp token');
  });

  it.each<[string, { readonly kind: CompiledPullRequestSource['kind'] }, object, object]>([
    [
      'the head of a pull request of GitHub',
      github(),
      { number: '50', head: '5'.repeat(40), into: 'main' },
      {
        ...{ author: 'ada', branch: 'fast', revision: '5'.repeat(40), category: 'pull', codebase: '', files: [] },
        ...{ repository: 'https://github.example/ada/widget.git', project: 'acme/widget', committer: null },
        revlink: 'https://github.example/acme/widget/pull/50',
        comments: 'pull-request #50: Make it faster\nhttps://github.example/acme/widget/pull/50\nIt was slow.',
        whenMs: Date.parse('2026-03-01T10:00:00Z'),
        properties: {
          ...{ basename: 'main', event: 'pull_request' },
          pullrequesturl: 'https://github.example/acme/widget/pull/50',
        },
      },
    ],
    [
      'its merge',
      github({ magicLink: true, repositoryType: 'ssh', category: 'mine', project: 'p', codebase: 'c' }),
      {},
      {
        ...{ branch: 'refs/pull/50/merge', repository: 'git@github.example:acme/widget.git', category: 'mine' },
        ...{ project: 'p', codebase: 'c' },
      },
    ],
    [
      'the head of a merge request of GitLab',
      gitlab(),
      { number: '1', head: '5'.repeat(40), into: 'main' },
      {
        ...{ author: 'Ada Example', branch: 'refs/merge-requests/1/head', category: 'merge_request' },
        ...{ revision: '5'.repeat(40), repository: 'https://gitlab.example/acme/widget.git', project: 'acme/widget' },
        comments: 'MR#1: Make it faster\n\nIt was slow.',
        properties: {
          ...{ source_branch: 'fast', target_branch: 'main', event: 'merge_request' },
          mergerequesturl: 'https://gitlab.example/acme/widget/-/merge_requests/1',
        },
      },
    ],
    [
      'its repository by ssh',
      gitlab({ repositoryType: 'ssh' }),
      {},
      { repository: 'git@gitlab.example:acme/widget.git' },
    ],
  ])('makes a change of %s', (_what, definition, request, change) => {
    const { source } = compiled(definition);
    const items = recorded(definition.kind === 'github-pulls' ? 'github' : 'gitlab');
    const read = pullRequestForge(definition.kind).read(source, new Payload(items[0]));
    expect(read).toMatchObject(request);
    expect(read.change).toMatchObject(change);
  });

  it('builds the base’s copy of a head whose fork was deleted', () => {
    const [item] = recorded('github') as [{ head: { repo: object | null } }];
    item.head.repo = null;
    expect(pullRequestForge('github-pulls').read(compiled(github()).source, new Payload(item)).change).toMatchObject({
      ...{ branch: 'refs/pull/50/head', repository: 'https://github.example/acme/widget.git' },
    });
  });

  it.each<[string, { readonly kind: CompiledPullRequestSource['kind'] }, string, object]>([
    ['GitHub', github(), 'repos/acme/widget/pulls/50/files', { filename: 'src/a.c', status: 'modified' }],
    ['GitLab', gitlab(), 'projects/acme%2Fwidget/merge_requests/50/diffs', { new_path: 'src/a.c', old_path: 'a.c' }],
  ])('asks %s for the files of a pull request', (_what, definition, path, item) => {
    const { source } = compiled(definition);
    const forge = pullRequestForge(definition.kind);
    expect(forge.filesUrl(source, '50', 2)).toBe(`${source.apiUrl}/${path}?per_page=100&page=2`);
    expect(forge.readFile(new Payload(item))).toBe('src/a.c');
    expect(() => forge.readFile(new Payload({}))).toThrow(expect.objectContaining({ code: 'bad-delivery' }));
  });

  it.each([github(), gitlab()])('asks $kind for pages, with its token', (definition) => {
    const { source } = compiled(definition);
    const forge = pullRequestForge(definition.kind);
    expect(forge.pageUrl(source, 3)).toMatch(/^https:\/\/[^?]*acme(\/|%2F)widget\/.*[?&]per_page=100&page=3$/);
    expect(Object.values(forge.headers('t0ken'))).toContainEqual(expect.stringContaining('t0ken'));
    expect(Object.keys(forge.headers(null))).not.toContain('authorization');
  });
});
