// Signed values are looked for in everything that a node holds; chargers do not wait for that.
import Fastify from 'fastify'
import { expect, it } from 'vitest'
import type { ReportDeps } from '../../src/api/report.ts'
import { addSignedValues } from '../../src/api/signed.ts'
import { TYPE_NUMBERS } from '../../src/log/body.ts'

const ID = 'ab'.repeat(16)
const TICKS = 20_000

it('the search gives way to others again and again', async () => {
  const session = {
    ...{ sessionId: ID, chargerId: 'CP1', transactionIds: [], starts: [{ body: { sessionId: ID } }] },
    start: { body: { meterStartWh: 0 } },
  }
  const elements = Array.from({ length: TICKS }, () => Uint8Array.of(1, TYPE_NUMBERS.meter_tick, 0))
  const log = { logId: 'l', elements, certificate: { deviceId: 'd' } }
  const ledger = { view: () => ({ sessions: () => [session] }), logs: { all: () => [log] } }
  const server = Fastify()
  addSignedValues(server, { node: { ledger: () => ledger } } as unknown as ReportDeps)
  let turns = 0
  let isOver = false
  const others = (): void => {
    turns += 1
    if (!isOver) setImmediate(others)
  }
  await server.ready()
  const asked = server.inject(`/v1/sessions/${ID}/signed`)
  setImmediate(others)
  expect((await asked).json()).toMatchObject({ sessionId: ID, values: [] })
  isOver = true
  expect(turns).toBeGreaterThanOrEqual(TICKS / 2000)
})
