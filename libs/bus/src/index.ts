export { checkBusOptions, createBus } from './create-bus.js';
export {
  type Bus,
  type BusOptions,
  type BusPayload,
  type BusState,
  type BusStats,
  type HintHandler,
  type ProcedureHandler,
} from './port.js';
export { covers, isTopic } from './topics.js';
