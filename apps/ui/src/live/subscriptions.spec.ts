import { describe, expect, it } from '@jest/globals';
import { Subscriptions } from './subscriptions.js';

const somebody = () => ({ sight: null, send: (): void => undefined });

describe('Subscriptions', () => {
  it.each([
    ['builds/*/*', 'builds/1/new', true],
    ['builds/1/*', 'builds/1/new', true],
    ['builds/1/*', 'builds/2/new', false],
    ['*/*/new', 'builds/1/new', true],
    ['builds/*', 'builds/1/new', false],
    ['builds/*/*/*', 'builds/1/new', false],
    ['', 'builds/1/new', false],
  ])('%s matches %s: %s', (filter, key, matches) => {
    const subscriptions = new Subscriptions();
    const one = somebody();
    subscriptions.add(filter, one);
    expect([...subscriptions.of(key)]).toEqual(matches ? [one] : []);
  });

  it('delivers once per filter, and nothing after the last filter is removed', () => {
    const subscriptions = new Subscriptions();
    const one = somebody();
    subscriptions.add('builds/*/*', one);
    subscriptions.add('builds/1/*', one);
    expect([...subscriptions.of('builds/1/new')]).toEqual([one, one]);
    expect([...subscriptions.everybody()]).toEqual([one]);
    subscriptions.remove('builds/*/*', one);
    subscriptions.remove('builds/1/*', one);
    expect(subscriptions.isEmpty).toBe(true);
  });
});
