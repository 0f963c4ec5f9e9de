export { basicAuthorization, type Credentials, parseBasicAuthorization } from './basic-auth.js';
export {
  decodeMasterMessage,
  decodeWorkerMessage,
  encodeMasterRequest,
  type EncodedUpdates,
  encodedUpdates,
  encodeResponse,
  encodeUpdates,
  encodeWorkerRequest,
  type InvalidRequest,
  type MasterMessage,
  type MasterRequest,
  type Numbered,
  type Response,
  type WorkerMessage,
  type WorkerRequest,
} from './messages.js';
export { DUPLICATE_WORKER } from './duplicate.js';
export { type MasterSessionOptions, MsgpackMasterSession } from './msgpack-master-session.js';
export { MsgpackWorkerSession, type WorkerRequestHandlers } from './msgpack-worker-session.js';
export { checkedLogName, cut, isOverLimit, LogsLimit, overLimit, WORKER_LIMITS } from './limits.js';
export { isObfuscated, type Obfuscated } from './obfuscation.js';
export { PbCredentials, pbDigest } from './pb/login.js';
export { PbMasterSession, type PbSessionOptions } from './pb/pb-master-session.js';
export { ProtocolError, RemoteError } from './protocol-error.js';
export { type RelayOpening } from './relay/relay-frames.js';
export { type RelayChannel, type RelayClosing, RelayLink } from './relay/relay-link.js';
export { RelayedWorker } from './relay/relayed-worker.js';
export {
  COMMAND_NAMES,
  type CommandName,
  type CommandOutcome,
  type CommandSink,
  type CommandUpdate,
  DEFAULT_WORKER_SETTINGS,
  type Transport,
  type WorkerConnection,
  type WorkerSettings,
} from './worker-connection.js';
export { FEATURE_OBFUSCATION, FEATURE_RESUME, parseWorkerInfo, type WorkerInfo } from './worker-info.js';
