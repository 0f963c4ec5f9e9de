import { type ReactNode, useState } from 'react';
import { Link, useLocation } from 'react-router';
import { signOut } from '../data/api';
import { PUBLIC_PATH } from '../data/public-path';
import { useSite } from '../data/site';

/** Who is signed in, and the way in or out. Nothing where nobody can sign in. */
export function Account(): ReactNode {
  const { user, signIn } = useSite();
  const { pathname, search } = useLocation();
  const [error, setError] = useState<string | null>(null);
  if (user === null) return null;
  if ('anonymous' in user) {
    if (pathname === '/login' || (!signIn.passwords && signIn.providers.length === 0)) return null;
    return (
      <div className="account">
        <Link to={`/login?to=${encodeURIComponent(pathname + search)}`}>Sign in</Link>
      </div>
    );
  }
  const leave = (): void => {
    // Everything is read again, because others may see less.
    signOut().then(
      () => location.assign(`${PUBLIC_PATH}/`),
      (failure: Error) => setError(failure.message),
    );
  };
  return (
    <div className="account">
      <span title={user.full_name}>{user.username}</span>
      <button type="button" className="small" onClick={leave}>
        Sign out
      </button>
      {error && (
        <span className="error" role="alert">
          {error}
        </span>
      )}
    </div>
  );
}
