import { OperationalError } from '@millrace/domain';
import type { Bus, BusStats } from './port.js';
import { checkTopic } from './topics.js';

/** No bus at all: everybody polls. */
export class NoneBus implements Bus {
  readonly state = 'off';
  readonly stats: BusStats = { published: 0, received: 0, dropped: 0, coalesced: 0, reconnects: 0 };

  publish(): void {}

  subscribe(prefix: string): () => void {
    if (prefix !== '') checkTopic(prefix);
    return () => undefined;
  }

  register(procedure: string): () => void {
    checkTopic(procedure);
    return () => undefined;
  }

  call(procedure: string): Promise<never> {
    return Promise.reject(
      new OperationalError('bus-disconnected', `cannot call ${procedure}: there is no bus`, { procedure }),
    );
  }

  onState(): () => void {
    return () => undefined;
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
