import { describe, expect, it } from '@jest/globals';
import { Result } from '@millrace/domain';
import { ADOPTIONS_ALLOWED, type Recorded, whyNotResumable } from './resuming.js';

const RUNNING = { name: 'shell', uuid: 'held', outcome: null };
const BUILD: Recorded = {
  fingerprint: 'f',
  adoptions: 1,
  steps: [
    { name: 'custom', results: Result.SUCCESS, resumable: false },
    { name: 'make', results: null, resumable: true },
  ],
  commands: [RUNNING],
};
const OFFER = { fingerprint: 'f', held: new Set(['held']) };

describe('a build goes on at another engine', () => {
  it.each([
    ['whose running command the worker has', BUILD],
    ['that is between two steps', { ...BUILD, steps: BUILD.steps.slice(0, 1), commands: [] }],
    ['that has not begun', { ...BUILD, steps: [], commands: [] }],
    ['whose commands have all ended', { ...BUILD, commands: [{ ...RUNNING, uuid: 'gone', outcome: '{}' }] }],
    ['that waits for other builds', { ...BUILD, commands: [{ ...RUNNING, uuid: 'gone', name: 'trigger' }] }],
    ['with a file under way', { ...BUILD, commands: [{ ...RUNNING, uuid: 'gone', name: 'upload_file' }] }],
  ])('%s', (_what, build) => {
    expect(whyNotResumable(build, OFFER)).toBeNull();
  });
});

describe('a build is tried again', () => {
  it.each([
    ['when the builder is not served', BUILD, { ...OFFER, fingerprint: null }, /does not serve/],
    ['when the builder has changed', BUILD, { ...OFFER, fingerprint: 'g' }, /configured differently/],
    ['when nobody knows what it ran under', { ...BUILD, fingerprint: null }, OFFER, /configured differently/],
    ['when the worker has forgotten its command', BUILD, { ...OFFER, held: new Set<string>() }, /without it/],
    [
      'when its step is not resumable',
      { ...BUILD, steps: [{ ...BUILD.steps[1]!, resumable: false }] },
      OFFER,
      /'make' cannot go on/,
    ],
    ['when it goes round and round', { ...BUILD, adoptions: ADOPTIONS_ALLOWED + 1 }, OFFER, /20 times/],
  ])('%s', (_what, build, offer, reason) => {
    expect(whyNotResumable(build, offer)).toMatch(reason);
  });
});
