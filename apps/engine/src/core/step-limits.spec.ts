import { describe, expect, it } from '@jest/globals';
import type { JsonValue } from '@millrace/domain';
import {
  BuildPropertiesLimit,
  ERROR_LOG,
  shortState,
  STEP_LIMITS,
  StepLogs,
  StepUrls,
  UploadsLimit,
} from './step-limits.js';

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'accepted';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};
const times = (count: number, one: (i: number) => unknown): void => {
  for (let i = 0; i < count; i++) one(i);
};
const nested = (depth: number): JsonValue => (depth === 0 ? 1 : [nested(depth - 1)]);
const { logs, logNameCharacters, urls, urlCharacters, urlNameCharacters, uploads, uploadsBytes } = STEP_LIMITS;
const { properties, propertyCharacters, propertyNameCharacters, propertiesCharacters } = STEP_LIMITS;

describe('a step', () => {
  it.each<[string, () => unknown, string]>([
    ['as many logs as allowed', () => times(logs, (i) => logsOf.add(`l${i}`)), 'accepted'],
    ['one of them again', () => logsOf.add('l0'), 'accepted'],
    ['one more', () => logsOf.add('more'), 'step-limit'],
    ['the one about its own failure', () => logsOf.add(ERROR_LOG), 'accepted'],
    ['a log with a long name', () => new StepLogs().add('x'.repeat(logNameCharacters + 1)), 'step-limit'],
    [
      'more logs than an earlier engine left room for',
      () => new StepLogs(Array.from({ length: logs }, (_, i) => `${i}`)).add('x'),
      'step-limit',
    ],
    [
      'as many links as allowed',
      () => times(urls, (i) => urlsOf.add({ name: 'n', url: `https://h/${i}` })),
      'accepted',
    ],
    ['one of them again', () => times(1000, () => urlsOf.add({ name: 'n', url: 'https://h/0' })), 'accepted'],
    ['one more', () => urlsOf.add({ name: 'n', url: 'https://h/more' }), 'step-limit'],
    ['a link that runs something', () => new StepUrls().add({ name: 'n', url: 'javascript:alert(1)' }), 'step-limit'],
    ['a link to nowhere', () => new StepUrls().add({ name: 'n', url: 'x' }), 'step-limit'],
    ['a name that a terminal obeys', () => new StepLogs().add('l\u001b[2J'), 'step-limit'],
    ['a long address', () => new StepUrls().add({ name: 'n', url: 'x'.repeat(urlCharacters + 1) }), 'step-limit'],
    ['a long name', () => new StepUrls().add({ name: 'n'.repeat(urlNameCharacters + 1), url: 'x' }), 'step-limit'],
    ['as many uploads as allowed', () => times(uploads, (i) => uploadsOf.begin(`${i}`)), 'accepted'],
    ['one more', () => uploadsOf.begin('more'), 'step-limit'],
    ['as many bytes as allowed', () => uploadsOf.add(uploadsBytes), 'accepted'],
    ['one more', () => uploadsOf.add(1), 'step-limit'],
  ])('with %s: %s', (_what, work, code) => {
    expect(codeOf(work)).toBe(code);
  });
  const logsOf = new StepLogs();
  const urlsOf = new StepUrls();
  const uploadsOf = new UploadsLimit();
});

describe("a build's properties", () => {
  it.each<[string, (limit: BuildPropertiesLimit) => unknown, string]>([
    ['as many as allowed', (limit) => times(properties, (i) => limit.add(`p${i}`, i)), 'accepted'],
    ['more', (limit) => times(properties + 1, (i) => limit.add(`p${i}`, i)), 'step-limit'],
    ['one, set over and over', (limit) => times(10_000, (i) => limit.add('p', i)), 'accepted'],
    ['a long name', (limit) => limit.add('p'.repeat(propertyNameCharacters + 1), 1), 'step-limit'],
    ['a long value', (limit) => limit.add('p', 'x'.repeat(propertyCharacters + 1)), 'json-too-long'],
    ['a deep value', (limit) => limit.add('p', nested(1000)), 'json-too-deep'],
    ['a value of many', (limit) => limit.add('p', new Array<number>(100_000).fill(1)), 'json-too-many-values'],
    [
      'much together',
      (limit) => times(propertiesCharacters / 50_000 + 1, (i) => limit.add(`p${i}`, 'x'.repeat(50_000))),
      'step-limit',
    ],
    ['much one after the other', (limit) => times(100, () => limit.add('p', 'x'.repeat(50_000))), 'accepted'],
  ])('with %s: %s', (_what, work, code) => {
    expect(codeOf(() => work(new BuildPropertiesLimit()))).toBe(code);
  });
});

it('a state is one line of bounded length without control characters', () => {
  expect(shortState('\u001b[2Jx\n')).toBe('\\x1b[2Jx\\x0a');
  expect(shortState('x'.repeat(1e6))).toHaveLength(STEP_LIMITS.stateCharacters + 1);
});
