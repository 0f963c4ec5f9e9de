import type { CompiledHook } from '@millrace/contracts';
import { locate } from '../../location.js';
import type { HookChange, HookDialect, Reading } from '../kind.js';
import type { HookOptions, SkipOptions } from '../options.js';
import { badDelivery, Payload } from '../payload.js';
import { compileSkips, type SkipPattern, skipReason } from '../skips.js';

export type BitbucketHookOptions = HookOptions & SkipOptions;

export interface BitbucketHookDefinition extends BitbucketHookOptions {
  readonly dialect: 'bitbucket';
}

/** Defines a hook for Bitbucket Cloud: `POST /change_hook/bitbucket`. */
export function bitbucketHook(options: BitbucketHookOptions): BitbucketHookDefinition {
  return locate(bitbucketHook, { ...options, dialect: 'bitbucket' });
}

interface Bitbucket {
  readonly skips: readonly SkipPattern[];
}

type Hook = CompiledHook & Bitbucket;

export const bitbucketDialect: HookDialect<Bitbucket> = {
  name: 'bitbucket',
  compile: (reader) => ({ skips: compileSkips(reader) }),
  proof: () => ({ kind: 'hmac', header: 'x-hub-signature' }),
  deliveryHeaders: ['x-request-uuid'],
  read(hook, delivery) {
    const event = delivery.headers['x-event-key'];
    if (event === undefined) throw badDelivery('the header X-Event-Key is missing', 'x-event-key');
    if (event === 'repo:push') return readPush(hook, Payload.of(delivery), event);
    const happened = PULL_REQUEST_EVENTS.find((name) => event === `pullrequest:${name}`);
    if (happened !== undefined) return readPullRequest(hook, { payload: Payload.of(delivery), event, happened });
    return { kind: 'ignored', reason: `the event '${event}' says nothing about the sources` };
  },
};

function readPush(hook: Hook, payload: Payload, event: string): Reading {
  const repository = payload.at('repository');
  const url = linkOf(repository);
  if (url === '') throw badDelivery('repository.links.html.href is missing', 'repository.links.html.href');
  const whys: string[] = [];
  const changes: HookChange[] = [];
  for (const push of payload.items('push', 'changes')) {
    const ref = push.at('new');
    if (ref.isMissing) {
      whys.push(`${push.text('old', 'type') || 'branch'} '${push.text('old', 'name')}' was deleted`);
      continue;
    }
    const kind = ref.required('type');
    const name = ref.required('name');
    if (kind !== 'branch' && kind !== 'tag') {
      whys.push(`'${name}' is neither a branch nor a tag`);
      continue;
    }
    const head = ref.at('target');
    const skipped = skipReason(hook.skips, head.text('message'));
    if (skipped !== null) {
      whys.push(skipped);
      continue;
    }
    // A ref is one change, however many commits were pushed to it: of many, Bitbucket names only the last five.
    changes.push({
      ...(kind === 'branch' && { parent: head.items('parents')[0]?.optionalText('hash') ?? null }),
      author: head.text('author', 'raw') || actorOf(payload),
      committer: null,
      comments: head.text('message'),
      branch: name,
      revision: head.required('hash'),
      revlink: linkOf(head),
      category: kind === 'tag' ? 'tag' : 'push',
      repository: url,
      project: hook.project ?? projectOf(repository),
      codebase: hook.codebase,
      whenMs: head.whenMs('date'),
      files: [],
      properties: { event },
    });
  }
  if (changes.length > 0) return { kind: 'changes', changes };
  return { kind: 'ignored', reason: [...new Set(whys)].join('; ') || 'the push brings no commits' };
}

const PULL_REQUEST_EVENTS = ['created', 'updated', 'fulfilled', 'rejected'] as const;

interface PullRequestEvent {
  readonly payload: Payload;
  readonly event: string;
  readonly happened: (typeof PULL_REQUEST_EVENTS)[number];
}

function readPullRequest(hook: Hook, { payload, event, happened }: PullRequestEvent): Reading {
  const request = payload.at('pullrequest');
  const number = request.required('id');
  const [title, description] = [request.text('title'), request.text('description')];
  const skipped = skipReason(hook.skips, `${title}\n${description}`);
  if (skipped !== null) return { kind: 'ignored', reason: skipped.replace('last commit', 'pull request') };
  // What was merged is in the destination. Everything else is where it came from: Bitbucket Cloud has no refs of pull requests.
  const isMerged = happened === 'fulfilled';
  const side = request.at(isMerged ? 'destination' : 'source');
  const revision = (isMerged && request.text('merge_commit', 'hash')) || side.required('commit', 'hash');
  // The repository of a source is gone when somebody has deleted the fork.
  const repository = linkOf(side.at('repository')) || linkOf(payload.at('repository'));
  const heading = `Bitbucket Cloud Pull Request #${number}: ${title}`;
  return {
    kind: 'changes',
    changes: [
      {
        author: actorOf(payload),
        committer: null,
        comments: [heading, description].filter((line) => line !== '').join('\n'),
        branch: side.required('branch', 'name'),
        revision,
        revlink: linkOf(request),
        category: `pull-${happened}`,
        repository,
        project: hook.project ?? projectOf(payload.at('repository')),
        codebase: hook.codebase,
        whenMs: request.whenMs('updated_on'),
        files: [],
        properties: {
          pullrequesturl: linkOf(request),
          event,
          source_branch: request.text('source', 'branch', 'name'),
          target_branch: request.text('destination', 'branch', 'name'),
        },
      },
    ],
  };
}

function linkOf(part: Payload): string {
  return part.text('links', 'html', 'href');
}

function projectOf(repository: Payload): string {
  return repository.text('project', 'name') || repository.text('full_name');
}

function actorOf(payload: Payload): string {
  const [name, nickname] = [payload.text('actor', 'display_name'), payload.text('actor', 'nickname')];
  return nickname === '' ? name : `${name} <${nickname}>`;
}
