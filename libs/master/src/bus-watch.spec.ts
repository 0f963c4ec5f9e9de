import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BusWatch } from './bus-watch.js';
import type { BusState, Hints } from './hints.js';
import type { Logger } from './logging.js';

/** Returns a watch over a bus whose state the test sets, and the messages logged at `warn`. */
function watched(initial: BusState): { set: (state: BusState) => void; warned: string[]; watch: BusWatch } {
  const warned: string[] = [];
  let listener: (state: BusState) => void = () => undefined;
  const hints = { state: initial, onState: (heard: typeof listener) => (listener = heard) };
  const log = { info: () => undefined, warn: (_fields: object, text: string) => warned.push(text.split(':')[0]!) };
  const watch = new BusWatch(hints as unknown as Hints, log as unknown as Logger);
  return { set: (state) => listener(state), warned, watch };
}

describe('BusWatch', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('logs nothing about a bus that is connected or back at once', () => {
    const { set, warned } = watched('connecting');
    set('connected');
    set('connecting');
    jest.advanceTimersByTime(4_000);
    set('connected');
    jest.advanceTimersByTime(3_600_000);
    expect(warned).toEqual([]);
  });

  it('warns now and then while the bus is away, and reports when it is back', () => {
    const { set, warned } = watched('connected');
    set('connecting');
    jest.advanceTimersByTime(5_000);
    expect(warned).toEqual(['the bus is away']);
    jest.advanceTimersByTime(1_200_000);
    expect(warned).toHaveLength(3);
    set('connected');
    jest.advanceTimersByTime(3_600_000);
    expect(warned.slice(3)).toEqual(['the bus is back']);
  });

  it('warns about a bus that never connected', () => {
    const { warned } = watched('connecting');
    jest.advanceTimersByTime(6_000);
    expect(warned).toEqual(['the bus is away']);
  });

  it('logs nothing when there is no bus, and nothing once the master stops', () => {
    const off = watched('off');
    const { set, warned, watch } = watched('connected');
    set('connecting');
    watch.beforeApplicationShutdown();
    jest.advanceTimersByTime(3_600_000);
    expect([...off.warned, ...warned]).toEqual([]);
  });
});
