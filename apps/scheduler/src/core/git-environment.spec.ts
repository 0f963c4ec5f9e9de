import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { credentialSettings } from './git-environment.js';

const credentials = { scope: 'https://git.example.org/team', username: 'ci', password: `p%s'"$(id)\\ä` };

/** Returns the credentials that git finds for an address. */
function filled(url: string): string {
  const { args, env } = credentialSettings(credentials);
  expect(args.join(' ')).not.toContain(credentials.password);
  try {
    return execFileSync('git', [...args, 'credential', 'fill'], {
      input: `url=${url}\n\n`,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_TERMINAL_PROMPT: '0', GIT_ASKPASS: 'true', ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}

describe('credentialSettings', () => {
  it('gives git exactly the password for its scope', () => {
    expect(filled('https://git.example.org/team/app.git')).toContain(`username=ci\npassword=${credentials.password}\n`);
  });

  it.each([
    'https://git.example.org/teams/app.git',
    'https://git.example.org/',
    'http://git.example.org/team/app.git',
    'https://git.example.org:8443/team/app.git',
    'https://evil.example/team/app.git',
  ])('gives git nothing for %s', (url) => expect(filled(url)).not.toContain(credentials.password));

  it('are empty without credentials', () => expect(credentialSettings(null)).toEqual({ args: [], env: {} }));
});
