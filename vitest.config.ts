import { defineConfig } from 'vitest/config'

const shared = {
  setupFiles: ['src/runtime.ts', 'test/setup.ts'],
  pool: 'forks' as const,
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        // Pure, and so in one process after the other without starting anew: loading was a third of their time.
        test: {
          ...shared,
          name: 'pure',
          include: ['test/**/*.test.ts'],
          exclude: ['test/integration/**'],
          isolate: false,
        },
      },
      { test: { ...shared, name: 'real', include: ['test/integration/**/*.test.ts'] } },
    ],
  },
})
