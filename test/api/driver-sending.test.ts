import { expect, it } from 'vitest'
import type { Wish } from '../../src/api/driver-requests.ts'
import { type SendingDeps, sendWish } from '../../src/api/driver-sending.ts'
import { LINE_LOST } from '../../src/ocpp/chargers.ts'
import type { ChargerCommand, CommandOutcome } from '../../src/ports.ts'
import type { Session } from '../../src/session/fold.ts'

function stopWish(): Wish {
  return { kind: 'stop', state: 'queued', chargerId: 'CP1', text: '', notBeforeMs: 0, tries: 0 } as Wish
}

function session(transactionIds: readonly number[], stationTransactionId?: string): Session {
  return { transactionIds, start: { body: { stationTransactionId } } } as unknown as Session
}

/** A charger that answers in this order, and what it was sent. */
function charger(...outcomes: readonly CommandOutcome['kind'][]) {
  const sent: ChargerCommand[] = []
  const command = async (_id: string, said: ChargerCommand): Promise<CommandOutcome> => {
    const kind = outcomes[sent.length] ?? 'rejected'
    sent.push(said)
    if (kind === 'unreachable') return { kind, reason: 'gone' }
    return kind === 'rejected' ? { kind, status: 'Rejected' } : { kind }
  }
  const clock = { wallMs: () => 0, monotonicMs: () => 1000 }
  const logger = { error: () => undefined }
  return { sent, deps: { chargePoints: { command }, clock, logger } as unknown as SendingDeps }
}

it('a stop tries every id that nodes gave the session, the newest first', async () => {
  const { sent, deps } = charger('rejected', 'accepted')
  const wish = stopWish()
  await sendWish(deps, wish, session([5, 9]))
  expect(sent).toEqual([
    { kind: 'remoteStop', transactionId: 9 },
    { kind: 'remoteStop', transactionId: 5 },
  ])
  expect(wish.state).toBe('accepted')
})

it('a session of OCPP 2.0.1 is stopped by the id that its station gave it', async () => {
  const { sent, deps } = charger('accepted')
  await sendWish(deps, stopWish(), session([9], 'tx-1'))
  expect(sent).toEqual([{ kind: 'remoteStop', transactionId: 9, stationTransactionId: 'tx-1' }])
})

it('a charger that does not know its session yet is asked again, and believed in the end', async () => {
  const { deps } = charger()
  const wish = stopWish()
  const states: string[] = []
  for (let tries = 0; tries < 4; tries++) {
    await sendWish(deps, wish, session([9]))
    states.push(`${wish.state} ${wish.notBeforeMs}`)
  }
  expect(states).toEqual(['queued 2000', 'queued 2000', 'queued 2000', 'refused 2000'])
  expect(wish).toMatchObject({ problem: 'CHARGER_REFUSED' })
})

it('a charger that does not answer is asked again later', async () => {
  const { deps } = charger('unreachable')
  const wish = stopWish()
  await sendWish(deps, wish, session([9]))
  expect(wish).toMatchObject({ state: 'queued', notBeforeMs: 6000 })
})

it('what has ended meanwhile is not opened again by an answer that comes late', async () => {
  const wish = stopWish()
  const { deps } = charger('accepted')
  const command = deps.chargePoints.command
  const late = async (...words: Parameters<typeof command>): Promise<CommandOutcome> => {
    wish.state = 'done'
    return await command(...words)
  }
  await sendWish({ ...deps, chargePoints: { command: late } } as unknown as SendingDeps, wish, session([9]))
  expect(wish.state).toBe('done')
})

it('a node that fails says so instead of keeping its driver waiting', async () => {
  const { deps } = charger()
  const fail = async (): Promise<CommandOutcome> => {
    throw new Error('broken')
  }
  const wish = stopWish()
  await sendWish({ ...deps, chargePoints: { command: fail } } as unknown as SendingDeps, wish, session([9]))
  expect(wish).toMatchObject({ state: 'refused', problem: 'FAILED' })
})

it.each([
  [
    'at a connector that was named, is told again, and a refusal then proves nothing',
    1,
    ['queued', 'accepted'],
  ],
  ['wherever it likes, is not told again: two cars might charge', undefined, ['accepted']],
])('a charger that was told to start and did not answer, %s', async (_, connectorId, states) => {
  const { deps } = charger('unreachable', 'rejected')
  const command = async (...words: Parameters<typeof deps.chargePoints.command>): Promise<CommandOutcome> => {
    const outcome = await deps.chargePoints.command(...words)
    return outcome.kind === 'unreachable' ? { ...outcome, reason: LINE_LOST } : outcome
  }
  const asking = { ...deps, chargePoints: { command }, mayCharge: () => ({ allowed: 'ALLOWED' }) }
  const wish: Wish = { ...stopWish(), kind: 'start', idTag: '04A2', connectorId }
  for (const state of states) {
    await sendWish(asking as unknown as SendingDeps, wish, undefined)
    expect(wish.state).toBe(state)
  }
})
