import fc from 'fast-check'
import { it } from 'vitest'
import { placed, sessionsOf } from './session/telling.ts'
import { daysOf, dayOf, CHARGER, type Firmware, ORDINARY } from './session/nameless.ts'
const kinds: Record<string, Firmware> = {
  ordinary: ORDINARY,
  resets: { ...ORDINARY, resets: true },
  zero: { ...ORDINARY, allAtZero: true },
  clockless: { ...ORDINARY, isClocked: false },
  clocklessResets: { ...ORDINARY, isClocked: false, resets: true },
  clocklessZero: { ...ORDINARY, isClocked: false, allAtZero: true },
}
it('explores', () => {
  for (const [name, firmware] of Object.entries(kinds)) {
    for (const lanes of [1, 2]) {
      const days = fc.sample(daysOf(fc.constant(firmware)), { numRuns: 6000, seed: 7 }).filter(d => d.lanes.length === lanes)
      let [right, wrong, open, more, wholeDays] = [0, 0, 0, 0, 0]
      let shown = 0
      for (const day of days) {
        const { told: all, truths } = dayOf(process.env.BAD ? { ...day, skewsMs: [0, 5*3600_000, -40*86400_000 * 365] } : day)
        const told = process.env.MISS ? all.filter(t => !(t.body.name === 'session_start' && t.node === 0 && t.atMs % 3 === 0)) : all
        const { sessions, orphanEnds } = sessionsOf(placed(told))[CHARGER]!
        const energy = new Map(truths.map(t => [t.sessionId, t.energyWh]))
        let bad = false
        let missing = 0
        for (const s of sessions) {
          const truth = energy.get(s.sessionId)
          if (s.energyWh === undefined) { open += 1; missing += 1 }
          else if (s.energyWh === truth) right += 1
          else { wrong += 1; if (truth !== undefined && s.energyWh > truth) more += 1; bad = true }
        }
        if (missing === 0 && !bad) wholeDays += 1
        if (bad && day.lanes.flatMap(l=>l.visits).length < 7 && shown++ < 3) {
          console.log('EX', name, lanes, told.map(t => t.body.name==='session_start' ? `\n S c${t.body.body.connectorId} ${t.body.body.meterStartWh} @${(t.body.body.startedAt.at!-Date.UTC(2026,5,1))/60000} card ${t.body.body.tokenRef.slice(0,1)} n${t.node}` : t.body.name==='session_end' ? `\n E ${t.body.body.meterStopWh} @${(t.body.body.stoppedAt.at!-Date.UTC(2026,5,1))/60000} card ${t.body.body.tokenRef?.slice(0,1)} n${t.node}` : t.body.name==='meter_tick' ? `\n T c${t.body.body.connectorId} ${t.body.body.energyWh} @${(t.body.body.sampledAt.at!-Date.UTC(2026,5,1))/60000} of ${t.body.body.sessionId?.slice(0,4)}` : '').join(''))
          console.log(JSON.stringify(sessions.map(s => [s.connectorId, s.start.body.meterStartWh, s.sessionId.slice(0,4), s.energyWh, energy.get(s.sessionId), s.flags.join()])), JSON.stringify(truths.map(t=>t.energyWh)), orphanEnds.length)
        }
      }
      console.log(name, lanes, { days: days.length, wholeDays, right, wrong, more, open })
    }
  }
})
