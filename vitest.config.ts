import { defineConfig } from 'vitest/config';
import { luaVitePlugin } from './scripts/lua-bundle.js';
import { pageVitePlugin } from './scripts/page-bundle.js';

export default defineConfig({
  plugins: [luaVitePlugin(), pageVitePlugin()],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/servers/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', './scripts/count-reporter.js'],
  },
});
