export * from './for-configurations.js';
export { ConfigHost, type ConfigHostOptions } from './host.js';
export { type ConfigSnapshot, loadAndCompile, loadConfig, type LoadedConfig } from './load.js';
export type { OnChange } from './schedulers/on-change/compile.js';
