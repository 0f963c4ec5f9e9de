import type { CompiledHook } from '@millrace/contracts';
import { locate } from '../../location.js';
import type { HookChange, HookDialect, Reading } from '../kind.js';
import type { HookOptions, SkipOptions } from '../options.js';
import { badDelivery, filesOf, gitRef, isNoRevision, Payload, person } from '../payload.js';
import { compileSkips, type SkipPattern, skipReason } from '../skips.js';

export type GitlabHookOptions = HookOptions & SkipOptions;

export interface GitlabHookDefinition extends GitlabHookOptions {
  readonly dialect: 'gitlab';
}

/** Defines a hook for GitLab: `POST /change_hook/gitlab`. */
export function gitlabHook(options: GitlabHookOptions): GitlabHookDefinition {
  return locate(gitlabHook, { ...options, dialect: 'gitlab' });
}

interface Gitlab {
  readonly skips: readonly SkipPattern[];
}

type Hook = CompiledHook & Gitlab;

export const gitlabDialect: HookDialect<Gitlab> = {
  name: 'gitlab',
  compile: (reader) => ({ skips: compileSkips(reader) }),
  proof: () => ({ kind: 'token', header: 'x-gitlab-token' }),
  deliveryHeaders: ['idempotency-key', 'x-gitlab-event-uuid'],
  read(hook, delivery) {
    const event = delivery.headers['x-gitlab-event'];
    if (event === undefined) throw badDelivery('the header X-Gitlab-Event is missing', 'x-gitlab-event');
    const payload = Payload.of(delivery);
    const kind = payload.text('object_kind');
    if (kind === 'push' || kind === 'tag_push') return readPush(hook, payload, event);
    if (kind === 'merge_request') return readMergeRequest(hook, payload, event);
    return { kind: 'ignored', reason: `the event '${event}' says nothing about the sources` };
  },
};

function readPush(hook: Hook, payload: Payload, event: string): Reading {
  const full = payload.required('ref');
  const ref = gitRef(full);
  if (!ref) return { kind: 'ignored', reason: `'${full}' is neither a branch nor a tag` };
  if (isNoRevision(payload.required('after')))
    return { kind: 'ignored', reason: `${ref.kind} '${ref.name}' was deleted` };
  const commits = payload.items('commits');
  const skipped = skipReason(hook.skips, commits.at(-1)?.text('message') ?? '');
  if (skipped !== null) return { kind: 'ignored', reason: skipped };
  const common = {
    ...(ref.kind === 'branch' && { parent: null }),
    branch: ref.name,
    category: ref.kind === 'tag' ? 'tag' : null,
    repository: payload.text('project', 'git_ssh_url') || payload.required('repository', 'git_ssh_url'),
    project: hook.project ?? payload.text('project', 'name'),
    codebase: hook.codebase,
    committer: null,
    properties: { event },
  };
  const isNew = isNoRevision(payload.required('before'));
  const head = payload.optionalText('checkout_sha');
  if (isNew && head !== null) {
    // A new branch or tag is one change, whatever commits it brings: they may have been built elsewhere.
    const commit = commits.find((one) => one.text('id') === head);
    const author = commit ? person(commit.at('author')) : payload.text('user_name');
    return {
      kind: 'changes',
      changes: [
        {
          ...common,
          author,
          comments: commit?.text('message') ?? payload.text('message'),
          revision: head,
          revlink: commit?.text('url') ?? '',
          whenMs: commit?.whenMs('timestamp') ?? null,
          files: commit ? filesOf(commit) : [],
        },
      ],
    };
  }
  if (commits.length === 0) return { kind: 'ignored', reason: `the push to '${ref.name}' brings no commits` };
  return {
    kind: 'changes',
    changes: commits.map((commit): HookChange => ({
      ...common,
      author: person(commit.at('author')),
      comments: commit.text('message'),
      revision: commit.required('id'),
      revlink: commit.text('url'),
      whenMs: commit.whenMs('timestamp'),
      files: filesOf(commit),
    })),
  };
}

function readMergeRequest(hook: Hook, payload: Payload, event: string): Reading {
  const request = payload.at('object_attributes');
  const number = request.required('iid');
  const action = request.text('action');
  // An update without an old revision is one of the title, the labels or the like.
  const isNew = action === 'open' || action === 'reopen' || (action === 'update' && !request.at('oldrev').isMissing);
  if (!isNew)
    return {
      kind: 'ignored',
      reason: `merge request ${number} has the action '${action}': there is nothing new to build`,
    };
  const [title, description] = [request.text('title'), request.text('description')];
  const skipped = skipReason(hook.skips, `${title}\n${description}`);
  if (skipped !== null) return { kind: 'ignored', reason: skipped.replace('last commit', 'merge request') };
  const commit = request.at('last_commit');
  const [source, target] = [request.at('source'), request.at('target')];
  return {
    kind: 'changes',
    changes: [
      {
        author: person(commit.at('author')),
        committer: null,
        comments: [`MR#${number}: ${title}`, description].filter((line) => line !== '').join('\n\n'),
        branch: request.required('source_branch'),
        revision: commit.required('id'),
        revlink: request.text('url'),
        category: 'merge_request',
        repository: source.required('git_ssh_url'),
        project: hook.project ?? payload.text('project', 'name'),
        codebase: hook.codebase,
        whenMs: commit.whenMs('timestamp'),
        files: [],
        properties: {
          source_branch: request.text('source_branch'),
          source_git_ssh_url: source.text('git_ssh_url'),
          target_branch: request.text('target_branch'),
          target_git_ssh_url: target.text('git_ssh_url'),
          event,
        },
      },
    ],
  };
}
