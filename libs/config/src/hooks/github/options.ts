import { locate } from '../../location.js';
import type { HookOptions, SkipOptions } from '../options.js';

export interface GithubHookOptions extends HookOptions, SkipOptions {
  /** Which commit of a pull request is built: the merge with its base (default), or its head. */
  readonly pullRequestRef?: 'merge' | 'head';
  /** Names of fields of a pull request, or of the last commit of a push, that become properties: `github.title`, `github.base.*`. */
  readonly propertyWhitelist?: readonly string[];
}

export interface GithubHookDefinition extends GithubHookOptions {
  readonly dialect: 'github';
}

/** Defines a hook for GitHub: `POST /change_hook/github`. */
export function githubHook(options: GithubHookOptions): GithubHookDefinition {
  return locate(githubHook, { ...options, dialect: 'github' });
}
