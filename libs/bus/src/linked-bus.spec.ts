import { expect, it, jest } from '@jest/globals';
import type { Hint } from './hint-queue.js';
import type { Link } from './link.js';
import { LinkedBus } from './linked-bus.js';
import { settingsFrom } from './options.js';

it('sends the first hint at once, and those that follow together', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  const messages: unknown[] = [];
  const link: Pick<Link, 'publish' | 'close'> = {
    publish: async (hints: readonly Hint[]) => {
      messages.push(hints.map(({ topic, payload }) => payload['hints'] ?? topic));
      return 0;
    },
    close: async () => undefined,
  };
  const bus = new LinkedBus(settingsFrom({ url: 'ws://broker' }), async () => link as Link);
  await bus.ready(1000);
  for (const id of [1, 2, 3, 2]) {
    bus.publish(`builds.${id}.new`, {});
    await turn();
  }
  expect(messages).toEqual([['builds.1.new']]);
  const together = [
    ['builds.3.new', {}],
    ['builds.2.new', {}],
  ];
  await jest.advanceTimersByTimeAsync(20);
  expect(messages).toEqual([['builds.1.new'], [together]]);
  await jest.advanceTimersByTimeAsync(20);
  bus.publish('builds.4.new', {});
  await turn();
  expect(messages).toEqual([['builds.1.new'], [together], ['builds.4.new']]);
  await jest.advanceTimersByTimeAsync(20);
  await bus.close();
  jest.useRealTimers();
});
