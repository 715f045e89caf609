// Reports in parts: whole when they end, bounded however long they go on, and given up when the station is gone.
import { expect, it } from 'vitest'
import { createReports, MAX_ENTRIES, MAX_REPORT_CHARACTERS } from '../../src/ocpp/reports.ts'

it('gives all parts in their order to who asked, and nothing of what nobody asked for', async () => {
  const reports = createReports()
  const asked = reports.expect(7)
  reports.take({ requestId: 8, entries: ['of another'], more: false })
  reports.take({ requestId: 7, entries: [1, 2], more: true })
  reports.take({ requestId: 7, entries: [3], more: false })
  reports.take({ requestId: 7, entries: ['late'], more: false })
  expect(await asked).toEqual([1, 2, 3])
})

it('holds no more than a station can have to tell, by number', async () => {
  const reports = createReports()
  const asked = reports.expect(7)
  for (let i = 0; i < 3; i++)
    reports.take({ requestId: 7, entries: Array.from({ length: MAX_ENTRIES / 2 }, () => 0), more: i < 2 })
  expect(await asked).toHaveLength(MAX_ENTRIES)
})

it('and by size, however few entries that is, and waits for no end of it', async () => {
  const reports = createReports()
  const asked = reports.expect(7)
  const entries = [{ value: 'x'.repeat(60_000) }]
  for (let i = 0; i <= MAX_REPORT_CHARACTERS / 60_000; i++)
    reports.take({ requestId: 7, entries, more: true })
  const held = await asked
  expect(JSON.stringify(held).length).toBeLessThanOrEqual(MAX_REPORT_CHARACTERS)
  expect(held?.length).toBeGreaterThan(60)
})

it('gives no half of one when the connection closes, and does not let anybody wait', async () => {
  const reports = createReports()
  const asked = reports.expect(7)
  reports.take({ requestId: 7, entries: [1], more: true })
  reports.close()
  expect(await asked).toBeUndefined()
})
