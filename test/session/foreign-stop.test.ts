// A stop whose start is nowhere (it was only ever on a disk that is gone) must not end another driver's session.
import { describe, expect, it } from 'vitest'
import { sessionBodies } from '../site.ts'
import { placed, sessionsOf, type Told } from './telling.ts'

const OPEN = sessionBodies({
  chargerId: 'CP-1',
  connectorId: 2,
  meterStartWh: 1000,
  tokenRef: 'aa'.repeat(16),
})
const GONE = sessionBodies({ chargerId: 'CP-1', meterStartWh: 1500, tokenRef: 'bb'.repeat(16) })

function fold(stop: { readonly transactionId: number; readonly tokenRef?: string }) {
  const { body } = GONE.orphanEnd as Extract<typeof GONE.orphanEnd, { name: 'session_end' }>
  const end = { name: 'session_end', body: { ...body, ...stop } } as Told['body']
  const telling: readonly Told[] = [
    { node: 0, atMs: 1000, body: OPEN.start },
    { node: 1, atMs: 2000, body: end },
  ]
  const [charger] = Object.values(sessionsOf(placed(telling)))
  return { energyWh: charger?.sessions[0]?.energyWh, orphans: charger?.orphanEnds.length }
}

describe('a stop that names a session nobody knows', () => {
  it('waits for a person when nothing says that it is the open one’s', () => {
    expect(fold({ transactionId: GONE.transactionId })).toEqual({ energyWh: undefined, orphans: 1 })
  })
  it('waits for a person when its card is another one', () => {
    const stop = { transactionId: GONE.transactionId, tokenRef: 'bb'.repeat(16) }
    expect(fold(stop)).toEqual({ energyWh: undefined, orphans: 1 })
  })
  it('ends the only open session of its card: the charger made up an id', () => {
    const stop = { transactionId: 4711, tokenRef: 'aa'.repeat(16) }
    expect(fold(stop)).toEqual({ energyWh: 3000, orphans: 0 })
  })
  it('ends the only open session when it names none', () => {
    expect(fold({ transactionId: -1 })).toEqual({ energyWh: 3000, orphans: 0 })
  })
})
