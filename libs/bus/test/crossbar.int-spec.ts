import { startCrossbar } from '@millrace/testing/services';
import { describeBusContract } from './bus-contract.js';

describeBusContract({
  name: 'crossbar',
  needs: 'crossbar',
  start: startCrossbar,
  credentials: (ticket) => ({ ticket }),
});
