import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const master = 'http://127.0.0.1:8010';

export default defineConfig({
  plugins: [react()],
  build: { target: 'es2022', sourcemap: false, modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  server: { proxy: { '/api': master, '/config': master, '/ws': { target: master, ws: true } } },
});
