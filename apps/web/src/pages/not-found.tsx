import type { ReactNode } from 'react';
import { Link, useLocation } from 'react-router';
import { usePageTitle } from '../parts/basics';

export function NotFoundPage({ what }: { what?: string }): ReactNode {
  const { pathname } = useLocation();
  usePageTitle('Not found');
  return (
    <>
      <h1>Not found</h1>
      <p>{what ?? `There is no page ${pathname}.`}</p>
      <p>
        <Link to="/">Home</Link>
      </p>
    </>
  );
}
