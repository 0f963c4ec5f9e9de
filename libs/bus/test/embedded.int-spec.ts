import { startEmbeddedRouter } from '@millrace/testing/services';
import { describeBusContract } from './bus-contract.js';

describeBusContract({
  name: 'the embedded router',
  start: startEmbeddedRouter,
  credentials: (ticket) => ({ ticket }),
});
