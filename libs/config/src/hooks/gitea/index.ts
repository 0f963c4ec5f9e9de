import type { CompiledHook } from '@millrace/contracts';
import { locate } from '../../location.js';
import type { HookChange, HookDialect, Reading } from '../kind.js';
import type { HookOptions, SkipOptions } from '../options.js';
import { badDelivery, filesOf, gitRef, isNoRevision, Payload, person } from '../payload.js';
import { compileSkips, type SkipPattern, skipReason } from '../skips.js';

export type GiteaHookOptions = HookOptions & SkipOptions;

export interface GiteaHookDefinition extends GiteaHookOptions {
  readonly dialect: 'gitea';
}

/** Defines a hook for Gitea and Forgejo: `POST /change_hook/gitea`. */
export function giteaHook(options: GiteaHookOptions): GiteaHookDefinition {
  return locate(giteaHook, { ...options, dialect: 'gitea' });
}

interface Gitea {
  readonly skips: readonly SkipPattern[];
}

type Hook = CompiledHook & Gitea;

export const giteaDialect: HookDialect<Gitea> = {
  name: 'gitea',
  compile: (reader) => ({ skips: compileSkips(reader) }),
  proof: () => ({ kind: 'hmac', header: 'x-gitea-signature' }),
  deliveryHeaders: ['x-gitea-delivery'],
  read(hook, delivery) {
    const event = delivery.headers['x-gitea-event'];
    if (event === undefined) throw badDelivery('the header X-Gitea-Event is missing', 'x-gitea-event');
    const payload = Payload.of(delivery);
    switch (event) {
      case 'push':
        return readPush(hook, payload);
      case 'pull_request':
      case 'pull_request_sync':
        return readPullRequest(hook, payload);
      case 'create':
      case 'delete':
        return ignored(
          `${payload.required('ref_type')} '${payload.required('ref')}' was ${event}d: its push says what is new`,
        );
      default:
        return ignored(`the event '${event}' says nothing about the sources`);
    }
  },
};

function ignored(reason: string): Reading {
  return { kind: 'ignored', reason };
}

function readPush(hook: Hook, payload: Payload): Reading {
  const full = payload.required('ref');
  const ref = gitRef(full);
  if (!ref) return ignored(`'${full}' is neither a branch nor a tag`);
  const after = payload.required('after');
  if (isNoRevision(after)) return ignored(`${ref.kind} '${ref.name}' was deleted`);
  const commits = inOrder(payload.items('commits'), after);
  const head = payload.at('head_commit').isMissing ? commits.at(-1) : payload.at('head_commit');
  const skipped = skipReason(hook.skips, head?.text('message') ?? '');
  if (skipped !== null) return ignored(skipped);
  const common = {
    ...(ref.kind === 'branch' && { parent: null }),
    branch: ref.name,
    category: ref.kind === 'tag' ? 'tag' : null,
    repository: payload.text('repository', 'ssh_url') || payload.required('repository', 'clone_url'),
    project: hook.project ?? payload.text('repository', 'full_name'),
    codebase: hook.codebase,
    properties: { event: 'push' },
  };
  // A new branch or tag is one change, whatever commits it brings: they may have been built elsewhere.
  if (isNoRevision(payload.required('before')))
    return {
      kind: 'changes',
      changes: [
        {
          ...common,
          author: head ? person(head.at('author')) : nameOf(payload.at('pusher')),
          committer: (head && person(head.at('committer'))) || null,
          comments: head?.text('message') ?? '',
          revision: head?.optionalText('id') ?? after,
          revlink: head?.text('url') ?? '',
          whenMs: head?.whenMs('timestamp') ?? null,
          files: head ? filesOf(head) : [],
        },
      ],
    };
  if (commits.length === 0) return ignored(`the push to '${ref.name}' brings no commits`);
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
    })),
  };
}

/** Returns commits with the oldest first. Gitea sends the newest first. */
function inOrder(commits: Payload[], newest: string): Payload[] {
  return commits[0]?.text('id') === newest ? commits.toReversed() : commits;
}

/** Actions of a pull request after which there may be something new to build. */
const BUILT_ACTIONS = ['opened', 'reopened', 'synchronized', 'edited'];

function readPullRequest(hook: Hook, payload: Payload): Reading {
  const request = payload.at('pull_request');
  const number = request.required('number');
  const action = payload.required('action');
  if (!BUILT_ACTIONS.includes(action))
    return ignored(`pull request ${number} was ${action}: there is nothing new to build`);
  if (request.flag('merged')) return ignored(`pull request ${number} is merged`);
  if (request.at('mergeable').raw === false) return ignored(`pull request ${number} cannot be merged`);
  const [title, body] = [request.text('title'), request.text('body')];
  const skipped = skipReason(hook.skips, `${title}\n${body}`);
  if (skipped !== null) return ignored(skipped.replace('last commit', 'pull request'));
  const [base, head] = [request.at('base'), request.at('head')];
  return {
    kind: 'changes',
    changes: [
      {
        author: nameOf(request.at('user')),
        committer: null,
        comments: [`PR#${number}: ${title}`, body].filter((line) => line !== '').join('\n\n'),
        branch: `refs/pull/${number}/head`,
        revision: head.required('sha'),
        revlink: request.text('html_url'),
        category: 'pull',
        repository: base.text('repo', 'ssh_url') || base.required('repo', 'clone_url'),
        project: hook.project ?? payload.text('repository', 'full_name'),
        codebase: hook.codebase,
        whenMs: request.whenMs('updated_at'),
        files: [],
        properties: {
          event: 'pull_request',
          ...side('base', base),
          ...side('head', head),
          head_owner: head.text('repo', 'owner', 'login'),
          head_reponame: head.text('repo', 'name'),
          pr_id: request.text('id'),
          pr_number: number,
        },
      },
    ],
  };
}

function side(name: 'base' | 'head', part: Payload): Record<string, string> {
  return {
    [`${name}_branch`]: part.text('ref'),
    [`${name}_sha`]: part.text('sha'),
    [`${name}_repo_id`]: part.text('repo_id'),
    [`${name}_repository`]: part.text('repo', 'clone_url'),
    [`${name}_git_ssh_url`]: part.text('repo', 'ssh_url'),
  };
}

/** Returns a user of Gitea as Git writes a person. */
function nameOf(user: Payload): string {
  const name = user.text('full_name') || user.text('login');
  const email = user.text('email');
  return email === '' ? name : `${name} <${email}>`;
}
