export type { AskHook, Delivery, HookChange, HookDialect, Proof, Reading } from './kind.js';
export { hookDialect } from './registry.js';
