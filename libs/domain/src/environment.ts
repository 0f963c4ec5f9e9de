/** Variables that programs need for folders, languages, certificates and tools. None of them holds a secret. */
const HARMLESS = new Set(
  `PATH HOME USER LOGNAME SHELL PWD TERM COLORTERM NO_COLOR LANG LANGUAGE TZ TMPDIR TMP TEMP HOSTNAME DISPLAY
  LD_LIBRARY_PATH PKG_CONFIG_PATH CC CXX MAKEFLAGS JAVA_HOME ANDROID_HOME GOPATH GOROOT GOBIN CARGO_HOME RUSTUP_HOME PYENV_ROOT VIRTUAL_ENV
  NVM_DIR VOLTA_HOME RBENV_ROOT SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE NIX_PATH NIX_PROFILES NIX_SSL_CERT_FILE
  NO_PROXY HTTP_PROXY HTTPS_PROXY ALL_PROXY
  SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT APPDATA LOCALAPPDATA PROGRAMDATA PROGRAMFILES USERPROFILE USERNAME NUMBER_OF_PROCESSORS`.split(
    /\s+/,
  ),
);

/**
 * Returns the part of an environment that may be seen by programs which run other people's code. It is an allow-list, because nobody can
 * list every name of a secret.
 *
 * @param also further names that a person has allowed
 */
export function harmlessEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  also: readonly string[] = [],
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => {
      const [name, value] = entry;
      if (value === undefined) return false;
      if (also.includes(name)) return true;
      // The address of a proxy may contain a password.
      if (/_proxy$/i.test(name)) return HARMLESS.has(name.toUpperCase()) && !value.includes('@');
      return HARMLESS.has(name) || /^(LC_|XDG_)[A-Z_]+$/.test(name);
    }),
  );
}
