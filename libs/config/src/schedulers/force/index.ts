import type { CompiledForceForm } from '@millrace/contracts';
import { answerCall } from '../call.js';
import type { SchedulerKind } from '../kind.js';
import { compileForce } from './compile.js';

export const forceKind: SchedulerKind<CompiledForceForm> = {
  name: 'force',
  compile: (reader, { name }) => compileForce(reader, name),
  codebases: (scheduler) => scheduler.codebases.map(({ codebase }) => codebase),
  on: { call: answerCall },
};
