import { describe, expect, it } from '@jest/globals';
import { runnerProcessEnvironment, stepEnvironment } from './runner-environment.js';

const env = {
  PATH: '/bin',
  HOME: '/root',
  DEPLOY_KEY: 'k',
  WORKER_PW: 'w',
  TOKEN: 't',
  POLLER_TOKEN: 'p',
  MILLRACE_DB: 'mariadb://u:p@h/d',
  MILLRACE_BUS: 'nats://t@h',
  MILLRACE_BUS_TICKET: 's',
  MILLRACE_TRIGGER_TOKEN: 's',
  MILLRACE_ROUTER_TICKET: 's',
  MILLRACE_WORKER_PASSWORD: 's',
  MILLRACE_WORKER_TLS_KEY: '/f',
  MILLRACE_DATA: '/data',
  MILLRACE_APP_TOKEN: 'a',
  UNSET: undefined,
};
const names = (environment: Readonly<Record<string, string>>) => Object.keys(environment).sort();

describe('stepEnvironment', () => {
  it.each<[string, { masters: string[]; steps: string[] }, Record<string, string>, string[]]>([
    [
      'nothing of the masters',
      { masters: ['WORKER_PW', 'POLLER_TOKEN'], steps: [] },
      {},
      ['DEPLOY_KEY', 'HOME', 'MILLRACE_DATA', 'PATH', 'TOKEN'],
    ],
    [
      'what a step needs, though a poller needs it, too',
      { masters: ['WORKER_PW', 'POLLER_TOKEN', 'TOKEN'], steps: ['TOKEN', 'MILLRACE_APP_TOKEN'] },
      {},
      ['DEPLOY_KEY', 'HOME', 'MILLRACE_APP_TOKEN', 'MILLRACE_DATA', 'PATH', 'TOKEN'],
    ],
    [
      'what a person allows',
      { masters: ['WORKER_PW', 'POLLER_TOKEN', 'TOKEN', 'DEPLOY_KEY'], steps: [] },
      { MILLRACE_RUNNER_ENV: 'WORKER_PW, MILLRACE_BUS' },
      ['HOME', 'MILLRACE_BUS', 'MILLRACE_DATA', 'PATH', 'WORKER_PW'],
    ],
  ])('has %s', (_what, variables, more, expected) => {
    expect(names(stepEnvironment({ ...env, ...more }, variables))).toEqual(expected);
  });
});

it('runnerProcessEnvironment has what programs need and nothing else', () => {
  expect(names(runnerProcessEnvironment(env))).toEqual(['HOME', 'PATH']);
});
