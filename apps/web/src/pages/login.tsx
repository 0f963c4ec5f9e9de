import { type FormEvent, type ReactNode, useState } from 'react';
import { useLocation, useSearchParams } from 'react-router';
import { signIn, signInAddress } from '../data/api';
import { PUBLIC_PATH } from '../data/public-path';
import { useSite } from '../data/site';
import { usePageTitle } from '../parts/basics';

/** The ways to sign in. They lead back to where it was asked for. */
export function LoginPage(): ReactNode {
  const { signIn: ways, user, mayRead } = useSite();
  const { pathname, search } = useLocation();
  const [params] = useSearchParams();
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  usePageTitle('Sign in');
  const target = pathname === '/login' ? pageOf(params.get('to')) : pathname + search;
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    signIn(form.get('username') as string, form.get('password') as string)
      // Everything is read again, because one may see and do more now.
      .then(() => location.assign(PUBLIC_PATH + target))
      .catch((failure: Error) => {
        setError(failure.message);
        setBusy(false);
      });
  };
  if (!ways.passwords && ways.providers.length === 0) {
    return (
      <p>
        {mayRead ? 'There are no accounts here.' : 'These pages are closed, and there are no accounts to sign in with.'}
      </p>
    );
  }
  return (
    <>
      <h1>Sign in</h1>
      {!mayRead && user !== null && !('anonymous' in user) && (
        <p className="notice">You are signed in as {user.username}, who may not read these pages.</p>
      )}
      {ways.providers.length > 0 && (
        <nav className="providers" aria-label="Providers">
          {ways.providers.map(({ name, label }) => (
            <a key={name} className="button" href={signInAddress(name, target)}>
              Sign in with {label}
            </a>
          ))}
        </nav>
      )}
      {ways.passwords && (
        <form className="login" onSubmit={submit}>
          <label>
            <span>User name</span>
            <input name="username" type="text" autoComplete="username" autoFocus required maxLength={100} />
          </label>
          <label>
            <span>Password</span>
            <input name="password" type="password" autoComplete="current-password" required maxLength={256} />
          </label>
          {error && (
            <p className="error" role="alert">
              {error}
            </p>
          )}
          <button type="submit" className="primary" disabled={busy}>
            Sign in
          </button>
        </form>
      )}
    </>
  );
}

/** Returns a page of this site, whatever the address names. */
function pageOf(to: string | null): string {
  return to !== null && /^\/(?![/\\])/.test(to) ? to : '/';
}
