import { describe, expect, it } from '@jest/globals';
import { createBus } from './create-bus.js';

describe('the bus of none:', () => {
  it('is off, ready at once, and drops every hint without an error', async () => {
    const bus = createBus({ url: 'none:' });
    expect(bus.state).toBe('off');
    await bus.ready(0);
    const heard: string[] = [];
    const unsubscribe = bus.subscribe('', (topic) => heard.push(topic));
    bus.publish('builds.1', {});
    bus.publish('not a topic', {});
    unsubscribe();
    expect(heard).toEqual([]);
    await expect(bus.call('anything', {})).rejects.toMatchObject({ code: 'bus-disconnected' });
    await bus.close();
  });

  it('checks topics as strictly as the others', () => {
    const bus = createBus({ url: 'none:' });
    expect(() => bus.subscribe('a..b', () => undefined)).toThrow(/a\.\.b/);
    expect(() => bus.register('a b', () => ({}))).toThrow(/a b/);
  });
});
