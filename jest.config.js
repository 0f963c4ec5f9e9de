/** Three projects: `unit` (pure, under a minute), `integration` (real services), `e2e` (the whole system as a user runs it). */
const swc = {
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  module: { type: 'es6' },
  sourceMaps: 'inline',
};
const project = (displayName, testMatch) => ({
  displayName,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch,
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['<rootDir>/.*/dist/package.json', '<rootDir>/\\.millrace', '<rootDir>/\\.services'],
  transform: { '^.+\\.ts$': ['@swc/jest', swc] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
});
export default {
  maxWorkers: 2,
  // Generous, because a shared machine is slow at times. A hanging test is found all the same.
  testTimeout: 60_000,
  workerIdleMemoryLimit: '1GB',
  projects: [
    project('unit', ['<rootDir>/{libs,apps}/*/src/**/*.spec.ts', '<rootDir>/{scripts,deploy}/*.spec.ts']),
    project('integration', ['<rootDir>/{libs,apps}/*/test/**/*.int-spec.ts', '<rootDir>/deploy/*.int-spec.ts']),
    project('e2e', ['<rootDir>/e2e/src/**/*.e2e-spec.ts']),
  ],
};
