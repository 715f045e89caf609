import { it } from 'vitest'
import { createSessions } from '../src/session/sessions.ts'
import { placed, idsOf, type Told } from './session/telling.ts'
const CHARGER = 'CP-1' as never
function hist(count: number, nameless: boolean, extraOrphan: boolean): Told[] {
  const told: Told[] = []
  const at = (ms: number) => ({ raw: new Date(ms).toISOString(), at: ms })
  const regs = [0, 500_000]
  const t0 = Date.UTC(2026, 0, 1)
  for (let n = 0; n < count; n++) {
    const c = n % 2
    const s = t0 + n * 600_000
    const said = { chargerId: CHARGER, connectorId: c + 1, meterStartWh: regs[c]!, startedAt: at(s) }
    const card = ['aa', 'bb', 'cc'][n % 3]!.repeat(16) as never
    regs[c] = regs[c]! + 1000 + (n % 700)
    const ids = idsOf(said)
    told.push({ node: n % 3, atMs: s, body: { name: 'session_start', body: { ...said, ...ids, tokenRef: card, allowed: 'ALLOWED', reason: '', policyHead: [], tier: 'FULL', connectionId: 1, clock: 'rtc' } } })
    told.push({ node: n % 3, atMs: s + 1000, body: { name: 'meter_tick', body: { sessionId: ids.sessionId, chargerId: CHARGER, connectorId: c + 1, transactionId: -1, energyWh: regs[c]! - 500, sampledAt: at(s + 1000), connectionId: 1 } } })
    const stop = s + 900_000
    told.push({ node: n % 3, atMs: stop, body: { name: 'session_end', body: { ...(nameless ? {} : { sessionId: ids.sessionId }), chargerId: CHARGER, transactionId: nameless ? -1 : ids.transactionId, meterStopWh: regs[c]!, stoppedAt: at(stop), reason: 'x', ...(n % 2 && { tokenRef: card }), connectionId: 1, clock: 'rtc' } } })
  }
  if (extraOrphan) told.splice(600, 0, { node: 0, atMs: t0 + 200 * 600_000, body: { name: 'session_end', body: { chargerId: CHARGER, transactionId: -1, meterStopWh: 400_000, stoppedAt: at(t0 + 200 * 600_000), reason: 'x', connectionId: 1, clock: 'rtc' } } })
  return told.sort((a, b) => a.atMs - b.atMs)
}
it('perf', () => {
  for (const [name, count, nameless, orphan] of [['ordinary', 10000, false, false], ['one orphan', 10000, false, true], ['nameless', 1000, true, false], ['nameless', 3000, true, false], ['nameless', 10000, true, false]] as const) {
    const events = placed(hist(count, nameless, orphan))
    const s = createSessions()
    const tail = nameless ? 30 : 600
    for (const e of events.slice(0, -tail)) s.add(e.event, e.body, e.deviceId)
    s.ofCharger(CHARGER)
    const t = performance.now()
    let worst = 0
    for (const e of events.slice(-tail)) { const a = performance.now(); s.add(e.event, e.body, e.deviceId); s.ofCharger(CHARGER); worst = Math.max(worst, performance.now() - a) }
    const ms = (performance.now() - t) / tail
    const { sessions, orphanEnds } = s.ofCharger(CHARGER)
    console.log('PERF', name, count, `${ms.toFixed(3)} ms a message, worst ${worst.toFixed(1)}`, 'open', sessions.filter(x => !x.end).length, 'orphans', orphanEnds.length)
  }
}, 600000)
