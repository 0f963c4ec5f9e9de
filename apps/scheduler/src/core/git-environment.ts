/** Credentials, and the place that they are for. */
interface Access {
  readonly scope: string;
  readonly username: string;
  readonly password: string;
}

/**
 * How one process of git gets credentials: a helper for their place alone, which takes them from that process's own environment. Its
 * arguments, which everybody on the machine sees, and the mirror's configuration hold none of them.
 */
export function credentialSettings(credentials: Access | null): {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
} {
  if (!credentials) return { args: [], env: {} };
  const { scope, username, password } = credentials;
  const helper = `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$MILLRACE_GIT_USERNAME" "$MILLRACE_GIT_PASSWORD"; }; f`;
  return {
    args: ['-c', 'credential.helper=', '-c', `credential.${scope}.helper=${helper}`],
    env: { MILLRACE_GIT_USERNAME: username, MILLRACE_GIT_PASSWORD: password },
  };
}
