import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { probeGreeting, ServiceProcess, temporaryFolder } from './service-process.js';

/** An SSH server that lets this user in with one key. */
export interface Sshd {
  /** Beginning of addresses: `ssh://user@127.0.0.1:2222`. */
  readonly url: string;
  /** The private key that is let in. */
  readonly privateKey: string;
  /** Another private key. */
  readonly otherPrivateKey: string;
  /** The server's public key. */
  readonly hostKey: string;
  stop(): Promise<void>;
}

/** Starts an SSH server on a free port of the loopback interface. */
export async function startSshd(): Promise<Sshd> {
  const port = await freePort();
  const folder = await temporaryFolder('sshd');
  const inside = (name: string): string => join(folder, name);
  for (const name of ['host', 'client', 'other'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', inside(name)]);
  // A server that root starts wants this folder, which Debian makes when the system starts.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const { username } = userInfo();
  writeFileSync(
    inside('config'),
    `ListenAddress 127.0.0.1:${port}
HostKey ${inside('host')}
AuthorizedKeysFile ${inside('client.pub')}
PidFile none
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
`,
  );
  const service = await ServiceProcess.start({
    name: 'sshd',
    port,
    url: `ssh://${username}@127.0.0.1:${port}`,
    folder,
    // It wants to be started by its whole path.
    command: '/bin/sh',
    args: ['-c', 'exec "$(command -v sshd)" -D -e -f "$0"', inside('config')],
    probe: () => probeGreeting(port),
  });
  const read = (name: string): string => readFileSync(inside(name), 'utf8');
  return {
    url: service.url,
    privateKey: read('client'),
    otherPrivateKey: read('other'),
    hostKey: read('host.pub').trim(),
    stop: () => service.stop(),
  };
}
