import { UnexpectedError } from '@millrace/domain';
import { type BaseHookDefinition, baseDialect } from './base/index.js';
import { type BitbucketHookDefinition, bitbucketDialect } from './bitbucket/index.js';
import { type BitbucketServerHookDefinition, bitbucketServerDialect } from './bitbucket-server/index.js';
import { type CustomHookDefinition, customDialect } from './custom/index.js';
import { type GiteaHookDefinition, giteaDialect } from './gitea/index.js';
import { githubDialect } from './github/index.js';
import type { GithubHookDefinition } from './github/options.js';
import { type GitlabHookDefinition, gitlabDialect } from './gitlab/index.js';
import type { HookDialect } from './kind.js';
import { type PollerHookDefinition, pollerDialect } from './poller/index.js';

/** Every dialect of hooks. */
export const HOOK_DIALECTS: readonly HookDialect[] = [
  githubDialect,
  gitlabDialect,
  giteaDialect,
  bitbucketDialect,
  bitbucketServerDialect,
  baseDialect,
  pollerDialect,
  customDialect,
];

/**
 * Returns the dialect of a compiled hook.
 * @throws UnexpectedError for an unknown dialect, from a revision of another release
 */
export function hookDialect(name: string): HookDialect {
  const dialect = HOOK_DIALECTS.find((candidate) => candidate.name === name);
  if (!dialect) throw new UnexpectedError('unknown-dialect', `no hook has the dialect '${name}'`, { dialect: name });
  return dialect;
}

/** A hook in a configuration. */
export type HookDefinition =
  | GithubHookDefinition
  | GitlabHookDefinition
  | GiteaHookDefinition
  | BitbucketHookDefinition
  | BitbucketServerHookDefinition
  | BaseHookDefinition
  | PollerHookDefinition
  | CustomHookDefinition;
