import { describe, expect, it } from '@jest/globals';
import { createBus } from '@millrace/bus';
import { requireService, startNats } from '@millrace/testing/services';
import { describeBusContract } from './bus-contract.js';

describeBusContract({
  name: 'nats-server',
  needs: 'nats',
  start: ({ ticket }) => startNats(ticket === undefined ? {} : { password: ticket }),
  credentials: (password) => ({ user: 'millrace', password }),
});

(requireService('nats') ? describe : describe.skip)('a nats-server that wants a token', () => {
  it('accepts only the right credentials', async () => {
    const service = await startNats({ token: 's3cret' });
    const warnings: string[] = [];
    const withToken = (token: string): ReturnType<typeof createBus> =>
      createBus({ url: service.url, token, onWarning: (message) => warnings.push(message) });
    const [right, wrong] = [withToken('s3cret'), withToken('another')];
    try {
      await right.ready(20_000);
      await expect(wrong.ready(1_000)).rejects.toThrow();
    } finally {
      await Promise.all([right.close(), wrong.close()]);
      await service.stop();
    }
  });
});
