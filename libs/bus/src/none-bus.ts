import { OperationalError } from '@millrace/domain';
import type { Bus, BusPayload, BusStats, HintHandler, ProcedureHandler } from './port.js';
import { checkTopic } from './topics.js';

/** The bus for `none:`, which carries nothing: every master relies on polling. */
export class NoneBus implements Bus {
  readonly state = 'off';
  readonly stats: BusStats = { published: 0, received: 0, dropped: 0, coalesced: 0, reconnects: 0 };

  publish(_topic: string, _payload: BusPayload): void {}

  subscribe(prefix: string, _handler: HintHandler): () => void {
    if (prefix !== '') checkTopic(prefix);
    return () => undefined;
  }

  register(procedure: string, _handler: ProcedureHandler): () => void {
    checkTopic(procedure);
    return () => undefined;
  }

  call(procedure: string, _args: BusPayload): Promise<never> {
    return Promise.reject(
      new OperationalError('bus-disconnected', `cannot call ${procedure}: there is no bus`, { procedure }),
    );
  }

  onState(): () => void {
    return () => undefined;
  }

  ready(_timeoutMs: number): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
