import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/** Where `voicemode serve` runs while the page is worked on: `PAGE_SERVER=http://127.0.0.1:9000 npm run dev`. */
const SERVER = process.env['PAGE_SERVER'] ?? 'http://127.0.0.1:8765';

// The Origin is rewritten with the Host, since the page's cookie counts for pages of the server's own origin only.
const proxied = { target: SERVER, changeOrigin: true, ws: true, headers: { origin: SERVER } };

export default defineConfig({
  plugins: [react()],
  server: {
    host: '127.0.0.1',
    proxy: { '/v1': proxied, '/api': proxied, '/healthz': proxied, '/readyz': proxied, '/metrics': proxied },
  },
  build: {
    outDir: fileURLToPath(new URL('../voicemode/http/page', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // The Content-Security-Policy allows no inline script and no data: but for images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
