import type { CompiledHook } from '@millrace/contracts';
import { compilePattern } from '@millrace/domain';
import type { HookChange, HookDialect, Reading } from '../kind.js';
import { badDelivery, filesOf, gitRef, isNoRevision, Payload, person } from '../payload.js';
import { compileSkips, type SkipPattern, skipReason } from '../skips.js';

interface Github {
  readonly skips: readonly SkipPattern[];
  readonly pullRequestRef: 'merge' | 'head';
  readonly propertyWhitelist: readonly string[];
}

type Hook = CompiledHook & Github;

export const githubDialect: HookDialect<Github> = {
  name: 'github',
  compile: (reader) => ({
    skips: compileSkips(reader),
    pullRequestRef: reader.oneOf('pullRequestRef', ['merge', 'head'], 'merge'),
    propertyWhitelist: reader.texts('propertyWhitelist'),
  }),
  proof: () => ({ kind: 'hmac', header: 'x-hub-signature-256' }),
  deliveryHeaders: ['x-github-delivery'],
  read(hook, delivery) {
    const event = delivery.headers['x-github-event'];
    if (event === undefined) throw badDelivery('the header X-GitHub-Event is missing', 'x-github-event');
    if (event === 'push') return readPush(hook, Payload.of(delivery));
    if (event === 'pull_request') return readPullRequest(hook, Payload.of(delivery));
    if (event === 'ping') return { kind: 'ignored', reason: 'a ping: the hook works' };
    return { kind: 'ignored', reason: `the event '${event}' says nothing about the sources` };
  },
};

function readPush(hook: Hook, payload: Payload): Reading {
  const full = payload.required('ref');
  const ref = gitRef(full);
  if (!ref) return { kind: 'ignored', reason: `'${full}' is neither a branch nor a tag` };
  if (payload.flag('deleted') || isNoRevision(payload.required('after')))
    return { kind: 'ignored', reason: `${ref.kind} '${ref.name}' was deleted` };
  const head = payload.at('head_commit');
  const skipped = skipReason(hook.skips, head.text('message'));
  if (skipped !== null) return { kind: 'ignored', reason: skipped };
  // A new branch or tag is one change, whatever commits it brings: they may have been built elsewhere.
  const commits = payload.flag('created') && !head.isMissing ? [head] : payload.items('commits');
  if (commits.length === 0) return { kind: 'ignored', reason: `the push to '${ref.name}' brings no commits` };
  const repository = payload.at('repository');
  // A delivery has no parents. What a single commit was put on is certain.
  const isSingle = commits.length === 1 && !payload.flag('created') && !payload.flag('forced');
  const common = {
    ...(ref.kind === 'branch' && { parent: isSingle ? payload.optionalText('before') : null }),
    branch: ref.name,
    category: ref.kind === 'tag' ? 'tag' : null,
    repository: repository.text('html_url') || repository.required('clone_url'),
    project: hook.project ?? repository.text('full_name'),
    codebase: hook.codebase,
  };
  return {
    kind: 'changes',
    changes: commits.map((commit): HookChange => ({
      ...common,
      author: person(commit.at('author')),
      committer: person(commit.at('committer')) || null,
      comments: commit.text('message'),
      revision: commit.required('id'),
      revlink: commit.text('url'),
      whenMs: commit.whenMs('timestamp'),
      files: filesOf(commit),
      properties: {
        ...listed(hook, commit),
        github_distinct: commit.at('distinct').isMissing || commit.flag('distinct'),
        event: 'push',
      },
    })),
  };
}

/** Actions of a pull request after which there is something new to build. */
const BUILT_ACTIONS = ['opened', 'reopened', 'synchronize'];

function readPullRequest(hook: Hook, payload: Payload): Reading {
  const number = payload.required('number');
  const action = payload.required('action');
  if (!BUILT_ACTIONS.includes(action))
    return { kind: 'ignored', reason: `pull request ${number} was ${action}: there is nothing new to build` };
  const request = payload.at('pull_request');
  const [title, body] = [request.text('title'), request.text('body')];
  const skipped = skipReason(hook.skips, `${title}\n${body}`);
  if (skipped !== null) return { kind: 'ignored', reason: skipped.replace('last commit', 'pull request') };
  const commits = request.text('commits');
  const heading = `GitHub Pull Request #${number} (${commits || '?'} commit${commits === '1' ? '' : 's'})`;
  return {
    kind: 'changes',
    changes: [
      {
        author: payload.text('sender', 'login'),
        committer: null,
        comments: [heading, title, body].filter((line) => line !== '').join('\n'),
        branch: `refs/pull/${number}/${hook.pullRequestRef}`,
        revision: request.required('head', 'sha'),
        revlink: request.text('html_url'),
        category: 'pull',
        repository: payload.required('repository', 'html_url'),
        project: hook.project ?? request.text('base', 'repo', 'full_name'),
        codebase: hook.codebase,
        whenMs: request.whenMs('updated_at'),
        files: [],
        properties: {
          ...listed(hook, request),
          basename: request.text('base', 'ref'),
          pullrequesturl: request.text('html_url'),
          event: 'pull_request',
        },
      },
    ],
  };
}

/** Returns the fields that the whitelist names, as `github.*`. A star stands for any characters, a question mark for one. */
function listed({ propertyWhitelist }: Hook, part: Payload): Record<string, string | number | boolean | null> {
  if (propertyWhitelist.length === 0) return {};
  const patterns = propertyWhitelist.map((glob) => compilePattern(`^${globSource(glob)}$`, 's'));
  return Object.fromEntries(part.scalars('github').filter(([name]) => patterns.some((pattern) => pattern.test(name))));
}

function globSource(glob: string): string {
  return glob
    .replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
}
