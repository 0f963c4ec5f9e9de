import type { ReactNode } from 'react';
import { usePageTitle } from '../parts/basics';
import { PendingList } from '../parts/pending-list';

export function PendingPage(): ReactNode {
  usePageTitle('Queue');
  return (
    <>
      <h1>Queue</h1>
      <p className="lead">In the order in which it is going to be built: by priority, then by age.</p>
      <PendingList builderId={null} />
    </>
  );
}
