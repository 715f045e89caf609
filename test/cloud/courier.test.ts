// What is done for the webhooks of all sites now and then: what goes wrong at one site leaves the others theirs.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openCourier } from '../../src/cloud/courier.ts'
import type { Database } from '../../src/cloud/database.ts'
import type { SiteId } from '../../src/units.ts'

const [broken, sound] = ['aa'.repeat(16) as SiteId, 'bb'.repeat(16) as SiteId]

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('lets go of old news at the sites behind one whose gaps cannot be read', async () => {
  const tidied: unknown[] = []
  const database: Database = {
    query: async (text, params = []) => {
      if (text.includes('gap.found') && params[0] === broken) throw new Error('what is this?')
      if (text.startsWith('DELETE FROM webhook_deliveries')) tidied.push(params[0])
      return { rows: [], count: 0 }
    },
    transaction: async () => {
      throw new Error('nothing is written here')
    },
    close: async () => undefined,
  }
  const said: unknown[] = []
  const silent = () => undefined
  const logger = {
    debug: silent,
    info: silent,
    warn: silent,
    error: (_: string, about?: object) => said.push(about),
  }
  const clock = { wallMs: () => 0, monotonicMs: () => 0 }
  const close = openCourier({ database, clock, random: { bytes: n => new Uint8Array(n) }, logger }, [
    broken,
    sound,
  ])
  await vi.advanceTimersByTimeAsync(61_000)
  await close()
  expect(tidied).toEqual([sound])
  expect(said).toEqual([{ siteId: broken, reason: 'what is this?' }])
})
