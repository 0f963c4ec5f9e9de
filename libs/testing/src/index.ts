export {
  crossbarFolder,
  eventually,
  type EventuallyOptions,
  freePort,
  makeCertificate,
  type HaproxyOptions,
  type MariaDb,
  type MariaDbOptions,
  type NatsOptions,
  type LdapPerson,
  requireOfMachine,
  requireService,
  type Service,
  type ServiceName,
  startCrossbar,
  startEmbeddedRouter,
  startHaproxy,
  startUiProxy,
  startMariaDb,
  type Slapd,
  startNats,
  startSlapd,
  type Sshd,
  startSshd,
  type WampOptions,
} from './services/index.js';
export { type MasterInTest, registerMaster, type SqliteDatabase, sqliteDatabase } from './databases.js';
export { FakeCommands } from './fake-commands.js';
export { type FakeCommand, type FakeCommandContext, FakeWorker, type FakeWorkerOptions } from './fake-worker.js';
export {
  Cluster,
  type ClusterOptions,
  type ClusterPort,
  type ClusterProcess,
  type Extra,
  type ExtraRole,
  type Triggered,
} from './cluster.js';
export { Balancer } from './balancer.js';
export { ExtraProcess, type ExtraProcessOptions } from './extra-process.js';
export {
  provisionStockWorker,
  StockDaemon,
  type StockKind,
  stockKinds,
  type StockProtocol,
  StockWorker,
  stockWorkerFolder,
  type StockWorkerOptions,
  provisionStockFrontend,
  stockFrontendFolder,
} from './stock-worker.js';
export { examineQueries, type Examination, type Finding } from './queries/examine.js';
export { exercise, type Exercise } from './queries/exercise.js';
export { type HistoryShape, writeHistory } from './queries/history.js';
export { type Guarantee, GUARANTEES, sabotageEnvironment } from './sabotage/guarantees.js';
export { FORGES, hookDelivery, type HookDelivery } from './hook-deliveries.js';
export { slamDoor } from './slammed-door.js';
export { type Fuzzed, fuzzCalls, fuzzEvents, type FuzzRange, fuzzRouter } from './fuzz/fuzz-listener.js';
