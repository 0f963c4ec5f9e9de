export { type BuildEvent, type Hint, hints, type LogEvent, type RequestEvent, type StepEvent, type WorkerEvent } from './hints.js';
