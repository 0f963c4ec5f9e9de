import { LinkedBus } from './linked-bus.js';
import { dialNats } from './nats-link.js';
import { NoneBus } from './none-bus.js';
import { settingsFrom } from './options.js';
import type { Bus, BusOptions } from './port.js';
import { dialWamp } from './wamp-link.js';

/**
 * Returns a bus, which connects in the background and keeps trying for ever.
 *
 * @throws UserError `bad-bus-options` listing every bad field
 */
export function createBus(options: BusOptions): Bus {
  const settings = settingsFrom(options);
  switch (settings.kind) {
    case 'none':
      return new NoneBus();
    case 'wamp':
      return new LinkedBus(settings, dialWamp(settings));
    case 'nats':
      return new LinkedBus(settings, dialNats(settings));
  }
}

/**
 * Checks options before they are passed to another thread.
 * @throws UserError `bad-bus-options` as `createBus` does
 */
export function checkBusOptions(options: BusOptions): void {
  settingsFrom(options);
}
