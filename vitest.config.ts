import { configDefaults, defineConfig } from 'vitest/config';

// unit: no processes, no ports. process: real children, real engines. compat: the vendors' SDKs against a running gateway.
// The last two share two cores with the engines they start, so their files run one at a time.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{src,backends,docker,bench}/**/*.test.ts'],
          exclude: [...configDefaults.exclude, '**/*.process.test.ts'],
        },
      },
      {
        test: {
          name: 'process',
          include: ['{src,backends}/**/*.process.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Compares two readings by an engine that leaves its second tries to chance: a measurement with limits, run by itself.
        test: {
          name: 'seams',
          include: ['compat-tests/long-audio/seams.test.ts'],
          globalSetup: 'compat-tests/closing-summary.ts',
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'compat',
          include: ['compat-tests/**/*.test.ts'],
          exclude: [...configDefaults.exclude, 'compat-tests/long-audio/seams.test.ts'],
          globalSetup: 'compat-tests/closing-summary.ts',
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
