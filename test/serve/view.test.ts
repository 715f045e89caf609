// What a node knows: who may say what, which heads a decision rested on, and that nothing which was heard stays unseen.
import { describe, expect, it } from 'vitest'
import { SITE_OPENED_AT, sessionBodies, type TestLog } from '../site.ts'
import { CARD, CHARGER, type ChargingNode, campus, carry, HOUR_MS, MINUTE_MS } from './charging.ts'

function admit(node: ChargingNode, ...logs: readonly TestLog[]): void {
  for (const log of logs)
    for (const segment of log.segments())
      node.ledger.admit(segment, { wallMs: node.clock.at, monotonicMs: 0 })
}

describe('the view of a node', () => {
  it('shows a stop whose start is missing, although it names its session, until the start comes', () => {
    const site = campus()
    const [a, b, c] = [site.node('a'), site.node('b'), site.node('c')]
    site.publish(a, b, c)
    const { transactionId } = a.start()
    carry(a, b)
    b.stop({ transactionId })
    for (const certificate of b.ledger.chainOf(b.device.certificate)) c.ledger.enrol(certificate)
    for (const log of b.ledger.logs.all())
      if (log.certificate.deviceId === b.device.certificate.deviceId)
        for (const segment of b.ledger.logs.segments(log.logId, 0, 100))
          c.ledger.admit(segment, { wallMs: 0, monotonicMs: 0 })
    expect(c.of().sessions).toEqual([])
    expect(c.ledger.view().orphanEnds()).toHaveLength(1)
    carry(a, c)
    expect(c.only()).toMatchObject({ energyWh: 2500, flags: [] })
    expect(c.ledger.view().orphanEnds()).toEqual([])
  })

  it('keeps the sessions of a charger although another log claims their ids for another charger', () => {
    const site = campus()
    const [a, liar] = [site.node('a'), site.site.device('liar')]
    site.publish(a)
    a.ledger.enrol(liar.certificate.encoded)
    const at = SITE_OPENED_AT + HOUR_MS
    const { sessionId } = sessionBodies({ startedAt: at })
    const forged = sessionBodies({ chargerId: '0', startedAt: at }).start
    const log = site.site.openLog(liar)
    if (forged.name === 'session_start') log.append([{ ...forged, body: { ...forged.body, sessionId } }])
    admit(a, log)
    const { transactionId } = a.start({ at })
    expect(a.only().sessionId).toBe(sessionId)
    a.stop({ transactionId })
    expect(a.only()).toMatchObject({
      energyWh: 2500,
      tokenRef: CARD,
      pricing: { body: { pricePerKwh: '0.25' } },
    })
  })

  it('names the newest of the operator’s heads, as many as an event can hold', () => {
    const site = campus()
    const a = site.node('a')
    const logs = Array.from({ length: 20 }, (_, i) =>
      site.site.openLog(site.site.issuer, { openedAt: SITE_OPENED_AT + i * MINUTE_MS }),
    )
    admit(a, ...logs.toReversed())
    const heads = logs.map(log => log.ref())
    expect(a.ledger.view().policyHeads()).toEqual(heads.toReversed().slice(0, 16))
    a.start()
    expect(a.only(CHARGER).start.body.policyHead).toHaveLength(16)
  })

  it('hears a grant from an issuer, a revocation from a revoker too, and neither from a node', () => {
    const site = campus()
    const [a, revoker, node] = [
      site.node('a'),
      site.site.device('revoker', ['revoker']),
      site.site.device('n'),
    ]
    site.publish(a)
    for (const device of [revoker, node]) a.ledger.enrol(device.certificate.encoded)
    const revoke = { name: 'revoke', body: { tokenRef: CARD, reason: '', effectiveAt: 0 } } as const
    const [fromNode, fromRevoker] = [site.site.openLog(node), site.site.openLog(revoker)]
    const state = (): string => a.ledger.view().policy.token(CARD).kind
    fromNode.append([revoke])
    admit(a, fromNode)
    expect(state()).toBe('granted')
    fromRevoker.append([revoke])
    admit(a, fromRevoker)
    expect(state()).toBe('revoked')
    const seen = fromRevoker.ref()
    site.grant({ supersedes: [seen.hash] })
    site.publish(a)
    expect(state()).toBe('granted')
  })
})
