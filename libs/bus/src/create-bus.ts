import { LinkedBus } from './linked-bus.js';
import { NoneBus } from './none-bus.js';
import { settingsFrom } from './options.js';
import type { Bus, BusOptions } from './port.js';

/**
 * Returns a bus, which connects in the background and keeps trying for ever. A broker's client library is loaded by the first connection
 * to it: a thread without one does not pay for any, and no thread for two.
 *
 * @throws UserError `bad-bus-options` listing every bad field
 */
export function createBus(options: BusOptions): Bus {
  const settings = settingsFrom(options);
  switch (settings.kind) {
    case 'none':
      return new NoneBus();
    case 'wamp':
      return new LinkedBus(settings, async (onLost) => (await import('./wamp-link.js')).dialWamp(settings)(onLost));
    case 'nats':
      return new LinkedBus(settings, async (onLost) => (await import('./nats-link.js')).dialNats(settings)(onLost));
  }
}

/**
 * Checks options before they are passed to another thread.
 * @throws UserError `bad-bus-options` as `createBus` does
 */
export function checkBusOptions(options: BusOptions): void {
  settingsFrom(options);
}
