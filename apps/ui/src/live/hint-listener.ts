import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { type BusState, Hints } from '@millrace/master';
import { ResourceTable } from '../resources/resource-table.js';
import { ChangePoller } from './change-poller.js';
import { LiveEvents } from './live-events.js';

/** Passes on hints from the bus, and whether the bus is connected. */
@Injectable()
export class HintListener implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private endings: (() => void)[] = [];

  constructor(
    private readonly hints: Hints,
    private readonly table: ResourceTable,
    private readonly live: LiveEvents,
    private readonly poller: ChangePoller,
  ) {}

  onApplicationBootstrap(): void {
    this.endings = [
      this.hints.subscribe('', (topic) => this.heard(topic)),
      this.hints.onState((state) => this.busIs(state)),
    ];
  }

  beforeApplicationShutdown(): void {
    for (const end of this.endings) end();
  }

  private heard(topic: string): void {
    const event = this.table.eventOf(topic);
    if (!event) return;
    this.poller.heard(event);
    this.live.changed(event);
  }

  private busIs(bus: BusState): void {
    this.live.broadcast('bus', { bus });
    // Changes whose hints were lost while the bus was away are found by fetching again.
    if (bus === 'connected') this.live.broadcast('resync', {});
    else this.poller.busLost();
  }
}
