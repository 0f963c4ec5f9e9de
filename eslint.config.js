import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * Allowed imports: the table of `docs/ARCHITECTURE.md`. `exports` in each package.json keeps deep imports out, and project references make
 * the compiler enforce the same.
 */
const MAY_IMPORT = {
  domain: [],
  contracts: ['domain'],
  config: ['domain', 'contracts'],
  database: ['domain', 'contracts'],
  bus: ['domain', 'contracts'],
  'wamp-router': ['domain'],
  'worker-protocol': ['domain', 'contracts'],
  steps: ['domain', 'contracts', 'config'],
  master: ['domain', 'contracts', 'config', 'database', 'bus'],
  testing: ['domain', 'contracts', 'database', 'bus', 'master', 'wamp-router', 'worker-protocol'],
  scheduler: ['domain', 'contracts', 'config', 'database', 'bus', 'master'],
  engine: ['domain', 'contracts', 'config', 'database', 'bus', 'master', 'steps', 'worker-protocol'],
  ui: ['domain', 'contracts', 'database', 'bus', 'master'],
  worker: ['domain', 'worker-protocol'],
  cli: ['domain', 'contracts', 'config', 'database', 'bus', 'wamp-router'],
  e2e: ['domain', 'contracts', 'testing'],
  bench: ['domain', 'contracts', 'testing', 'database', 'bus', 'worker-protocol'],
};
const NEST = ['@nestjs/*'];
const DATABASE_DRIVERS = ['typeorm', 'typeorm/*', 'mysql2', 'mysql2/*', 'libsql'];
const BUS_CLIENTS = ['autobahn', 'nats', '@nats-io/*'];
const NODE_IO = [
  'fs',
  'fs/*',
  'net',
  'http',
  'https',
  'os',
  'process',
  'child_process',
  'worker_threads',
  'dgram',
  'tls',
].flatMap((name) => [`node:${name}`, name]);

const forbid = (patterns, why) => ['error', { patterns: [{ group: patterns, message: why }] }];
const packagesBut = (allowed) =>
  Object.keys(MAY_IMPORT)
    .filter((name) => !allowed.includes(name))
    .map((name) => `@millrace/${name}`);

const perPackage = Object.entries(MAY_IMPORT).map(([name, allowed]) => {
  const folder = ['scheduler', 'engine', 'ui', 'worker', 'cli'].includes(name)
    ? `apps/${name}`
    : ['e2e', 'bench'].includes(name)
      ? name
      : `libs/${name}`;
  const patterns = packagesBut([...allowed, name]);
  if (name !== 'database') patterns.push(...DATABASE_DRIVERS);
  if (name !== 'bus') patterns.push(...BUS_CLIENTS);
  if (!['master', 'scheduler', 'engine', 'ui', 'testing'].includes(name)) patterns.push(...NEST);
  if (name === 'domain') patterns.push(...NODE_IO, 'class-validator', 'class-transformer');
  return {
    files: [`${folder}/src/**/*.ts`],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': forbid(
        patterns,
        `${name} must not import this: see docs/ARCHITECTURE.md, "Who may import whom"`,
      ),
    },
  };
});

/** Imported packages must be in the package's own package.json. Tests and tools may use the root's as well. */
const ROOT = import.meta.dirname;
const packageFolders = ['libs', 'apps']
  .flatMap((group) => readdirSync(join(ROOT, group)).map((name) => `${group}/${name}`))
  .concat('e2e', 'bench')
  .filter((folder) => existsSync(join(ROOT, folder, 'package.json')));
const dependenciesOf = (packageDir, devDependencies) => ({
  'import-x/no-extraneous-dependencies': [
    'error',
    {
      packageDir,
      devDependencies,
      optionalDependencies: false,
      peerDependencies: false,
      includeTypes: true,
      // It depends on the libraries that it tests. If they depended on it as well, that would be a circle.
      whitelist: devDependencies ? ['@millrace/testing'] : [],
    },
  ],
});
const imports = [
  {
    files: ['**/*.ts', '**/*.tsx'],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts', '.tsx'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts', '.tsx'] },
      'import-x/resolver-next': [
        importX.createNodeResolver({ extensions: ['.ts', '.tsx'], extensionAlias: { '.js': ['.ts', '.tsx', '.js'] } }),
      ],
    },
    rules: { 'import-x/no-cycle': ['error', { ignoreExternal: true }] },
  },
  ...packageFolders.flatMap((folder) => [
    { files: [`${folder}/**/*.{ts,tsx}`], rules: dependenciesOf([join(ROOT, folder)], false) },
    {
      files: [folder === 'e2e' ? '**/*.ts' : '**/*spec.ts', 'test/**/*.ts', 'vite.config.ts'].map(
        (pattern) => `${folder}/${pattern}`,
      ),
      rules: dependenciesOf([ROOT, join(ROOT, folder)], true),
    },
  ]),
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '.services/**', '.millrace/**', 'examples/hello/**'] },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  ...perPackage,
  {
    // The web app is bundled for browsers. It imports only types of our packages, and gets everything else by HTTP.
    files: ['apps/web/src/**/*.{ts,tsx}'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^@millrace/(?!(contracts|domain)$)|^(\\.\\./){2,}',
              message: 'web has types of contracts and domain only: see docs/ARCHITECTURE.md, "Who may import whom"',
            },
            {
              regex: '^@millrace/(contracts|domain)$',
              allowTypeImports: true,
              message: 'web has types only of other packages: see docs/ARCHITECTURE.md, "Who may import whom"',
            },
            { group: NODE_IO, message: 'web runs in browsers' },
          ],
        },
      ],
    },
  },
  {
    // Decisions are pure: a `core/` folder does no I/O, uses no framework, and imports nothing else of its app.
    files: ['apps/*/src/core/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(?!\\./|@millrace/(contracts|domain)$|node:(buffer|crypto|path|util)$)',
              message: 'core/ is pure: it imports its own files, domain and contracts; effects are handed in',
            },
          ],
        },
      ],
    },
  },
  {
    // Kinds of schedulers are pure decisions, and masters that load no configuration import them: they do no I/O.
    files: ['libs/config/src/schedulers/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex:
                '^(?!\\./|(\\.\\./)+(call|call-codebases|codebases|kind|options|plan|on-change/\\w+|timed/[\\w-]+|callback-table|location|object-reader|step)\\.js$|croner$|@millrace/(contracts|domain)$)',
              message:
                'schedulers/ is pure: kinds import their own files, what reads options, domain, contracts and croner',
            },
          ],
        },
      ],
    },
  },
  ...imports,
  {
    files: ['**/*.spec.ts', '**/test/**/*.ts', 'e2e/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
