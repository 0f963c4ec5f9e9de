import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAndCompile } from '@millrace/config';
import { NO_SOURCE, type SourceStamp } from '@millrace/domain';
import { RunnerPool } from '../../dist/runner/runner.js';
import { FakeBuildServices, jobFor } from './fake-build-services.js';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A runner of configurations in a folder, which is also that of their worker. */
export class Runners {
  private pool: RunnerPool | null = null;
  private builders = 0;
  /** Configuration files by the options of their step. */
  private readonly files = new Map<string, string>();

  constructor(private readonly folder: string) {}

  async close(): Promise<void> {
    await this.pool?.close();
  }

  /** Switches the runner, which is started for the first configuration. Builds of earlier ones may run on. */
  async poolFor(configFile: string) {
    const { fingerprint, variables } = await loadAndCompile(configFile);
    const config = { configFile, fingerprint };
    if (this.pool) await this.pool.switchTo({ ...config, variables });
    else {
      this.pool = new RunnerPool({ ...config, variables, log: quiet });
      await this.pool.start();
    }
    return { pool: this.pool, config };
  }

  /** Makes builds of one git step, all in the same new folder. */
  async builderWith(options: string, workerEnv: Readonly<Record<string, string>> = {}) {
    const { pool, config } = await this.poolFor(await this.fileFor(options));
    const builddir = `b${this.builders++}`;
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

  private async fileFor(options: string): Promise<string> {
    const known = this.files.get(options);
    if (known) return known;
    const configFile = join(this.folder, `git${this.files.size}.config.ts`);
    this.files.set(options, configFile);
    await writeFile(
      configFile,
      `import { builder, defineConfig, worker } from '@millrace/config';
import { git } from '@millrace/steps';
export default defineConfig({
  workers: [worker('w', { password: 'x' })],
  builders: [builder('b', { workers: ['w'], factory: [git(${options})] })],
});`,
    );
    return configFile;
  }
}
