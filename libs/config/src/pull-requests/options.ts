import type { JsonValue } from '@millrace/domain';
import { locate } from '../location.js';

/** Options of every poller of pull requests. */
export interface PullRequestPollerOptions {
  /** Unique among change sources. The default is the address of the repository's page. */
  readonly name?: string;
  /** Branches into which the pull requests go. Default all. */
  readonly branches?: 'all' | readonly string[];
  /** Default 600. */
  readonly pollIntervalSeconds?: number;
  /** Name of the environment variable of the schedulers that holds the token. Without one the forge allows few requests. */
  readonly tokenEnv?: string;
  /** Which address of the repository the changes have. Default `https`. */
  readonly repositoryType?: 'https' | 'ssh';
  /** Address of the forge's API. */
  readonly apiUrl?: string;
  /** Gets a pull request as the API describes it, and says whether it is built. Asked once for each head. */
  readonly pullRequestFilter?: (pullRequest: JsonValue) => boolean | Promise<boolean>;
  /** Whether the changes name the files of a pull request, for which the forge is asked once more for each head. Default false. */
  readonly files?: boolean;
  readonly project?: string;
  /** Default `pull` at GitHub, `merge_request` at GitLab. */
  readonly category?: string;
  readonly codebase?: string;
}

export interface GithubPullRequestPollerOptions extends PullRequestPollerOptions {
  readonly owner: string;
  readonly repo: string;
  /** Build the merge with the base (`refs/pull/NUMBER/merge`) instead of the head. Default false. */
  readonly magicLink?: boolean;
}

export interface GitlabMergeRequestPollerOptions extends PullRequestPollerOptions {
  /** The project's path: `acme/widget`. */
  readonly path: string;
}

export type GithubPullRequestPollerDefinition = { readonly kind: 'github-pulls' } & GithubPullRequestPollerOptions;
export type GitlabMergeRequestPollerDefinition = { readonly kind: 'gitlab-merges' } & GitlabMergeRequestPollerOptions;

/** Defines a change source that asks GitHub for open pull requests. */
export function githubPullRequestPoller(options: GithubPullRequestPollerOptions): GithubPullRequestPollerDefinition {
  return locate(githubPullRequestPoller, { ...options, kind: 'github-pulls' });
}

/** Defines a change source that asks GitLab for open merge requests. */
export function gitlabMergeRequestPoller(options: GitlabMergeRequestPollerOptions): GitlabMergeRequestPollerDefinition {
  return locate(gitlabMergeRequestPoller, { ...options, kind: 'gitlab-merges' });
}
