// Logs, and goes on logging when it is told that nobody reads any more.
import { createLogger } from '../dist/logging.js';

const log = createLogger({ logLevel: 'info', role: 'ui', name: 'ui@test' });
log.info('before');
process.on('message', () => {
  log.info('nobody reads this');
  log.fatal('nor this');
  process.exit(70);
});
process.send('ready');
