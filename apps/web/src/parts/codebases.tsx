import type { BranchResource, CodebaseResource, CommitResource } from '@millrace/contracts';
import { type ReactNode, useState } from 'react';
import { firstLine, shortRevision } from '../data/format';
import { useLive, useLiveOne } from '../data/live';
import { Ago, Branch, Empty, Loading, More } from './basics';

/** The codebases whose commits are recorded, each with its branches for whoever opens it. */
export function Codebases(): ReactNode {
  const { items } = useLive<CodebaseResource>({
    path: 'codebases',
    plural: 'codebases',
    id: (codebase) => codebase.codebaseid,
    topics: [],
  });
  return items?.map((codebase) => <Codebase key={codebase.codebaseid} codebase={codebase} />);
}

function Codebase({ codebase }: { codebase: CodebaseResource }): ReactNode {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Branches of {codebase.slug}</summary>
      {isOpen && <Branches codebaseId={codebase.codebaseid} />}
    </details>
  );
}

function Branches({ codebaseId }: { codebaseId: number }): ReactNode {
  // There is no event for a branch, so the list is polled.
  const branches = useLive<BranchResource>({
    path: `codebases/${codebaseId}/branches?order=-branchid&limit=20`,
    plural: 'branches',
    id: (branch) => branch.branchid,
    topics: [],
    refetchEveryMs: 5000,
  });
  if (!branches.items) return <Loading error={branches.error} />;
  if (branches.items.length === 0) return <Empty>No commit has been recorded yet.</Empty>;
  return (
    <>
      <ul className="feed">
        {branches.items.map((branch) => (
          <Head key={branch.branchid} branch={branch} />
        ))}
      </ul>
      <More live={branches} />
    </>
  );
}

/** A branch and its newest commit. */
function Head({ branch }: { branch: BranchResource }): ReactNode {
  const { item: commit } = useLiveOne<CommitResource>({
    path: `commits/${branch.commitid}`,
    plural: 'commits',
    id: (one) => one.commitid,
    topics: [],
  });
  return (
    <li>
      <code title={commit?.revision}>{commit ? shortRevision(commit.revision) : '–'}</code>
      <span className="grow">
        {commit && firstLine(commit.comments)} <span className="muted">{commit?.author.replace(/\s*<.*/, '')}</span>
      </span>
      <Branch name={branch.name} />
      <span className="muted when">
        <Ago at={branch.last_timestamp} />
      </span>
    </li>
  );
}
