import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const DEMO = fileURLToPath(new URL('../../dist/simulations/real/demo.js', import.meta.url))
const DEADLINE_MS = 280_000

describe('the demo', () => {
  it(
    'ends ok on real processes, with every count taken from the books',
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [DEMO, '--json', '--seed', '11'], {
        timeout: DEADLINE_MS,
      })
      const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
      expect(result).toMatchObject({ ok: true, lost: 0, billedTwice: 0, adopted: 2 })
      expect(result.bills).toBe(result.sessions)
      expect(result.refused).toEqual({ revoked: 2, expired: 1, unknown: 1 })
    },
    DEADLINE_MS + 10_000,
  )
})
