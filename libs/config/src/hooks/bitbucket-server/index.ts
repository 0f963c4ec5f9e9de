import type { CompiledHook } from '@millrace/contracts';
import { locate } from '../../location.js';
import { SHORT } from '../../object-reader.js';
import type { HookChange, HookDialect, Reading } from '../kind.js';
import type { HookOptions, SkipOptions } from '../options.js';
import { badDelivery, gitRef, Payload } from '../payload.js';
import { compileSkips, type SkipPattern, skipReason } from '../skips.js';

export interface BitbucketServerHookOptions extends HookOptions, SkipOptions {
  /** Address of the server, for deliveries that do not name the repository's: `https://bitbucket.example`. */
  readonly url?: string;
  /** Which commit of a pull request is built: the merge with its target (default), or its head. */
  readonly pullRequestRef?: 'merge' | 'from';
}

export interface BitbucketServerHookDefinition extends BitbucketServerHookOptions {
  readonly dialect: 'bitbucketserver';
}

/** Defines a hook for Bitbucket Server and Data Center: `POST /change_hook/bitbucketserver`. */
export function bitbucketServerHook(options: BitbucketServerHookOptions): BitbucketServerHookDefinition {
  return locate(bitbucketServerHook, { ...options, dialect: 'bitbucketserver' });
}

interface BitbucketServer {
  readonly skips: readonly SkipPattern[];
  readonly url: string;
  readonly pullRequestRef: 'merge' | 'from';
}

type Hook = CompiledHook & BitbucketServer;

/** What Buildbot's categories call the events of a pull request after which something may be built. */
const PULL_REQUEST_EVENTS: ReadonlyMap<string, string> = new Map([
  ['pr:opened', 'created'],
  ['pr:from_ref_updated', 'updated'],
  ['pr:merged', 'fulfilled'],
  ['pr:declined', 'rejected'],
]);

export const bitbucketServerDialect: HookDialect<BitbucketServer> = {
  name: 'bitbucketserver',
  compile: (reader) => ({
    skips: compileSkips(reader),
    url: reader
      .text('url', {
        default: '',
        accepts: (text) => /^https?:\/\/[^\s@]+$/.test(text) && SHORT.accepts(text),
        expected: 'an address that begins with https:// and holds no user',
      })
      .replace(/\/+$/, ''),
    pullRequestRef: reader.oneOf('pullRequestRef', ['merge', 'from'], 'merge'),
  }),
  proof: () => ({ kind: 'hmac', header: 'x-hub-signature' }),
  deliveryHeaders: ['x-request-id'],
  read(hook, delivery) {
    const event = delivery.headers['x-event-key'];
    if (event === undefined) throw badDelivery('the header X-Event-Key is missing', 'x-event-key');
    if (event === 'diagnostics:ping') return { kind: 'ignored', reason: 'a ping: the hook works' };
    if (event === 'repo:refs_changed') return readPush(hook, Payload.of(delivery), event);
    const happened = PULL_REQUEST_EVENTS.get(event);
    if (happened !== undefined) return readPullRequest(hook, { payload: Payload.of(delivery), event, happened });
    return { kind: 'ignored', reason: `the event '${event}' says nothing about the sources` };
  },
};

function readPush(hook: Hook, payload: Payload, event: string): Reading {
  const repository = payload.at('repository');
  const whys: string[] = [];
  const changes: HookChange[] = [];
  // The commits are those of the first ref, and older servers name none.
  const named = new Map(
    [payload.at('toCommit'), ...payload.items('commits')].map((commit) => [commit.text('id'), commit]),
  );
  for (const push of payload.items('changes')) {
    const full = push.text('ref', 'id') || push.required('refId');
    const ref = gitRef(full);
    if (!ref) {
      whys.push(`'${full}' is neither a branch nor a tag`);
      continue;
    }
    if (push.text('type') === 'DELETE') {
      whys.push(`${ref.kind} '${ref.name}' was deleted`);
      continue;
    }
    const revision = push.required('toHash');
    const commit = named.get(revision);
    const skipped = skipReason(hook.skips, commit?.text('message') ?? '');
    if (skipped !== null) {
      whys.push(skipped);
      continue;
    }
    changes.push({
      ...(commit && ref.kind === 'branch' && { parent: commit.items('parents')[0]?.optionalText('id') ?? null }),
      author: (commit && personOf(commit.at('author'))) || personOf(payload.at('actor')),
      committer: (commit && personOf(commit.at('committer'))) || null,
      comments: commit?.text('message') || `Bitbucket Server commit ${revision}`,
      branch: ref.name,
      revision,
      revlink: revlinkOf(hook, repository, revision),
      category: ref.kind === 'tag' ? 'tag' : 'push',
      repository: addressOf(hook, repository),
      project: hook.project ?? repository.text('project', 'name'),
      codebase: hook.codebase,
      whenMs: commit?.whenMs('committerTimestamp') ?? payload.whenMs('date'),
      files: [],
      properties: { event },
    });
  }
  if (changes.length > 0) return { kind: 'changes', changes };
  return { kind: 'ignored', reason: [...new Set(whys)].join('; ') || 'the push brings no commits' };
}

interface PullRequestEvent {
  readonly payload: Payload;
  readonly event: string;
  readonly happened: string;
}

function readPullRequest(hook: Hook, { payload, event, happened }: PullRequestEvent): Reading {
  const request = payload.at('pullRequest');
  const number = request.required('id');
  const [title, description] = [request.text('title'), request.text('description')];
  const skipped = skipReason(hook.skips, `${title}\n${description}`);
  if (skipped !== null) return { kind: 'ignored', reason: skipped.replace('last commit', 'pull request') };
  const [from, to] = [request.at('fromRef'), request.at('toRef')];
  const merged = happened === 'fulfilled' ? request.text('properties', 'mergeCommit', 'id') : '';
  // Pull requests that are not open any more have no ref that is kept up to date.
  const branch = new Map([
    ['fulfilled', to.text('displayId')],
    ['rejected', from.text('displayId')],
  ]).get(happened);
  const repository = happened === 'rejected' ? from.at('repository') : to.at('repository');
  const link = hrefOf(request) || webAddressOf(hook, to.at('repository'), `pull-requests/${number}`);
  const heading = `Bitbucket Server Pull Request #${number}: ${title}`;
  return {
    kind: 'changes',
    changes: [
      {
        author: personOf(payload.at('actor')),
        committer: null,
        comments: [heading, description].filter((line) => line !== '').join('\n'),
        branch: branch ?? `refs/pull-requests/${number}/${hook.pullRequestRef}`,
        revision: merged || from.required('latestCommit'),
        revlink: link,
        category: `pull-${happened}`,
        repository: addressOf(hook, repository),
        project: hook.project ?? to.text('repository', 'project', 'name'),
        codebase: hook.codebase,
        whenMs: request.whenMs('updatedDate'),
        files: [],
        properties: {
          pullrequesturl: link,
          event,
          source_branch: from.text('displayId'),
          target_branch: to.text('displayId'),
        },
      },
    ],
  };
}

/** Returns the address from which a repository is cloned: the one that the delivery names, or that of the option `url`. */
function addressOf(hook: Hook, repository: Payload): string {
  const clones = repository.items('links', 'clone');
  const clone = clones.find((link) => link.text('name') === 'ssh') ?? clones[0];
  if (clone) return clone.required('href');
  if (hook.url === '')
    throw badDelivery(`the delivery names no address of the repository: set url of hook '${hook.name}'`, 'url');
  const path = [repository.required('project', 'key').toLowerCase(), repository.required('slug')].map(
    encodeURIComponent,
  );
  return `${hook.url}/scm/${path.join('/')}.git`;
}

function revlinkOf(hook: Hook, repository: Payload, revision: string): string {
  return webAddressOf(hook, repository, `commits/${revision}`);
}

/** Returns the address of a page of a repository; empty when nothing says where the server is. */
function webAddressOf(hook: Hook, repository: Payload, page: string): string {
  const browse = hrefOf(repository).replace(/\/browse$/, '');
  if (browse !== '') return `${browse}/${page}`;
  if (hook.url === '') return '';
  const [key, slug] = [repository.text('project', 'key'), repository.text('slug')].map(encodeURIComponent);
  return `${hook.url}/projects/${key}/repos/${slug}/${page}`;
}

function hrefOf(part: Payload): string {
  return part.items('links', 'self')[0]?.text('href') ?? '';
}

function personOf(who: Payload): string {
  const [name, email] = [who.text('displayName') || who.text('name'), who.text('emailAddress')];
  return email === '' ? name : `${name} <${email}>`;
}
