import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Smaller files are sent uncompressed. */
const LEAST_BYTES = 1000;

/** Writes compressed versions beside each larger file, for browsers that accept them. */
const compressed: Plugin = {
  name: 'compressed',
  apply: 'build',
  async writeBundle({ dir }, bundle) {
    for (const [name, output] of Object.entries(bundle)) {
      const content = Buffer.from(output.type === 'chunk' ? output.code : output.source);
      if (content.length < LEAST_BYTES) continue;
      const path = join(dir!, name);
      await writeFile(`${path}.br`, await promisify(brotliCompress)(content));
      await writeFile(`${path}.gz`, await promisify(gzip)(content));
    }
  },
};

const master = 'http://127.0.0.1:8010';

export default defineConfig({
  plugins: [react(), compressed],
  // Files name each other by where they are, because the server may show the app below a path.
  experimental: { renderBuiltUrl: (_name, { hostType }) => (hostType === 'html' ? undefined : { relative: true }) },
  build: { target: 'es2022', sourcemap: false, modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  server: { proxy: { '/api': master, '/config': master, '/ws': { target: master, ws: true } } },
});
