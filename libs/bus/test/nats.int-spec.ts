import { startNats } from '@millrace/testing/services';
import { describeBusContract } from './bus-contract.js';

describeBusContract({
  name: 'nats-server',
  needs: 'nats',
  start: ({ ticket }) => startNats(ticket === undefined ? {} : { token: ticket }),
  credentials: (token) => ({ token }),
});
