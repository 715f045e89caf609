import { defineConfig } from 'vitest/config'

const shared = {
  setupFiles: ['src/runtime.ts', 'test/setup.ts'],
  pool: 'forks' as const,
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

/** Real processes and sockets, and what puts something else in the place of a module. */
const APART = ['test/integration/**/*.test.ts', 'test/host/tokens.test.ts']

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
          exclude: APART,
          isolate: false,
        },
      },
      { test: { ...shared, name: 'apart', include: APART } },
    ],
  },
})
