export { eventually, type EventuallyOptions } from './eventually.js';
export { freePort } from './free-port.js';
export { type HaproxyOptions, startHaproxy } from './haproxy.js';
export { type MariaDb, type MariaDbOptions, startMariaDb } from './mariadb.js';
export { type NatsOptions, startNats } from './nats.js';
export { requireOfMachine, requireService, type ServiceName } from './require-service.js';
export { type Service } from './service-process.js';
export { type Sshd, startSshd } from './sshd.js';
export { crossbarFolder, startCrossbar, startEmbeddedRouter, type WampOptions } from './wamp.js';
