import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAndCompile } from '@millrace/config';
import { NO_SOURCE, type SourceStamp } from '@millrace/domain';
import { RunnerPool } from '../../dist/runner/runner.js';
import { FakeBuildServices, jobFor } from './fake-build-services.js';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Runners of configurations in a folder, which is also that of their worker. */
export class Runners {
  private readonly pools: RunnerPool[] = [];
  private configs = 0;

  constructor(private readonly folder: string) {}

  /** Ends the runners that there are: a test that is over must not slow the next one down. */
  async close(): Promise<void> {
    await Promise.all(this.pools.splice(0).map((pool) => pool.close()));
  }

  async poolFor(configFile: string) {
    const { fingerprint, variables } = await loadAndCompile(configFile);
    const pool = new RunnerPool({ configFile, fingerprint, variables, log: quiet });
    this.pools.push(pool);
    await pool.start();
    return { pool, config: { configFile, fingerprint } };
  }

  /** Makes builds of one git step, all in the same folder. */
  async builderWith(options: string, workerEnv: Readonly<Record<string, string>> = {}) {
    const configFile = join(this.folder, `git${this.configs++}.config.ts`);
    await writeFile(
      configFile,
      `import { builder, defineConfig, worker } from '@millrace/config';
import { git } from '@millrace/steps';
export default defineConfig({
  workers: [worker('w', { password: 'x' })],
  builders: [builder('b', { workers: ['w'], factory: [git(${options})] })],
});`,
    );
    const { pool, config } = await this.poolFor(configFile);
    const builddir = `b${this.configs}`;
    const workdir = join(this.folder, builddir, 'build');
    const begin = (...given: Partial<SourceStamp>[]) => {
      const host = new FakeBuildServices();
      const sourceStamps = (given.length > 0 ? given : [{}]).map((stamp) => ({ ...NO_SOURCE, ...stamp }));
      const worker = { name: 'w', basedir: this.folder, system: 'posix', environ: {}, env: workerEnv };
      const job = jobFor('b', config, this.folder, { sourceStamps, builddir, worker });
      return { host, running: pool.run(job, host) };
    };
    const build = async (...given: Partial<SourceStamp>[]) => {
      const { host, running } = begin(...given);
      return { host, outcome: await running.outcome, text: (file: string) => readFile(join(workdir, file), 'utf8') };
    };
    return { begin, build, workdir };
  }
}
