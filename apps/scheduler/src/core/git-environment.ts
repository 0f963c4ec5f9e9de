/** Credentials with their scope. */
interface Access {
  readonly scope: string;
  readonly username: string;
  readonly password: string;
}

/**
 * Returns how one process of git gets credentials: a helper for their scope only, which takes them from that process's own environment.
 * Neither the process's arguments, which everybody on the machine sees, nor the mirror's configuration contains them.
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
