import type { CompiledPullRequestSource } from '@millrace/contracts';
import { UnexpectedError } from '@millrace/domain';
import { githubPulls } from './github.js';
import { gitlabMerges } from './gitlab.js';
import type { PullRequestForge } from './kind.js';

/** Every forge that is asked for pull requests. */
export const PULL_REQUEST_FORGES: readonly PullRequestForge[] = [githubPulls, gitlabMerges];

/** @throws UnexpectedError for an unknown kind, from a revision of another release */
export function pullRequestForge(name: CompiledPullRequestSource['kind']): PullRequestForge {
  const forge = PULL_REQUEST_FORGES.find((candidate) => candidate.name === name);
  if (!forge) throw new UnexpectedError('unknown-forge', `no change source is of the kind '${name}'`, { kind: name });
  return forge;
}
