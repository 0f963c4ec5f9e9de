export {
  type BuildEvent,
  type Hint,
  hints,
  type LogEvent,
  type RequestEvent,
  type StepEvent,
  type WorkerEvent,
} from './hints.js';
export type {
  CompiledBuilder,
  CompiledChangeSource,
  CompiledConfig,
  CompiledForceCodebase,
  CompiledProject,
  CompiledScheduler,
  CompiledStep,
  CompiledWorker,
  ForceField,
} from './config.js';
