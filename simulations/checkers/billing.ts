// Money (PROTOCOL 6.5), counted from the chargers' own meters against what the cloud would have invoiced.
// I19 the cloud holds what the authors wrote. I20 the bills of a session add up to the price of what it took, with one invoice.
// I22 nobody pays for more than the meter says. I23 every session that a charger reported is billed, and none that it did not.
// I25 no ack and no mark claims what the cloud does not have.
// I24 the cloud reports a gap only where something is missing. A session whose records a fault destroyed, or that a charger
// forgot by itself, is excused by name; one that a quirk made ambiguous may be disputed, never billed twice.
import { decodeBody, TYPE_NUMBERS } from '../../src/log/body.ts'
import { decodeElement } from '../../src/log/event.ts'
import type { LogId } from '../../src/units.ts'
import type { CloudBill, CloudSession } from '../cloud/cloud.ts'
import { FORGETTING, type Quirk } from '../plan.ts'
import type { Station, StationSession } from '../station/station.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'
import type { Losses } from './losses.ts'
import { checkSum } from './prices.ts'

/** Habits that may leave it open which words belong together; a person then looks at it. */
const AMBIGUOUS: readonly Quirk[] = [
  'no-clock',
  'meter-resets',
  'negative-id',
  'zoneless-clock',
  'late-replay',
  'clock-ahead',
]
/** Not `unpriced`: a session without a price is one that nobody ever bills, whatever else is open about it. */
const DISPUTABLE = ['disputed', 'provisional', 'open']

export type Books = {
  readonly sessions: number
  readonly lost: readonly StationSession[]
  readonly lostWh: number
  readonly doubleBills: number
  readonly billed: ReadonlySet<StationSession>
}

export type BillingChecker = Observer & { readonly books: () => Books }

export function billingChecker(shown: Shown, losses: Losses): BillingChecker {
  /** Of each node's own log, how far its marks were looked at. */
  const looked = new Map<LogId, number>()
  let hasForgotten = false
  /** A mark says that the cloud has the stop: so it must have it, unless it lost commits since. */
  const checkMarks = (member: Member): void => {
    const ledger = member.node()?.ledger()
    const own = ledger?.ownLog()
    const log = own && ledger?.logs.get(own)
    if (!own || !log || hasForgotten) return
    for (let seq = looked.get(own) ?? 0; seq < log.elements.length; seq++) {
      const element = log.elements[seq]
      if (element?.[1] !== TYPE_NUMBERS.reconciliation_mark) continue
      const read = decodeElement(element)
      const said = typeof read === 'string' ? undefined : decodeBody(read.type, read.body)
      const end = said?.name === 'reconciliation_mark' ? said.body.end : undefined
      if (end && (shown.cloud.headsNow().get(end.logId)?.seq ?? -1) < end.seq)
        shown.object(
          'I25',
          `node ${member.name} calls a session reconciled whose stop the cloud does not have`,
        )
    }
    looked.set(own, log.elements.length)
  }
  let books: Books = { sessions: 0, lost: [], lostWh: 0, doubleBills: 0, billed: new Set() }
  return {
    name: 'billing',
    books: () => books,
    injected: fault => {
      hasForgotten ||= FORGETTING.includes(fault.kind)
    },
    stepped: checkMarks,
    finished: async () => {
      books = audit({
        shown,
        losses,
        bills: await shown.cloud.bills(),
        sessions: await shown.cloud.sessions(),
      })
      checkHeads(shown)
      // That a store was read with damage is news of its own, not a gap.
      const gaps = (await shown.cloud.gaps()).filter(gap => gap.kind !== 'lossy')
      if (gaps.length > 0 && losses.destroyedEvents() === 0 && shown.plan.hostile.length === 0)
        shown.object(
          'I24',
          `the cloud reports ${gaps.length} gaps, and nothing is missing: ${JSON.stringify(gaps[0])}`,
        )
    },
  }
}

/** The cloud's newest event of a log is the one that the nodes hold there. */
function checkHeads(shown: Shown): void {
  const node = shown.members()[0]?.node()
  if (!node) return
  for (const [logId, head] of shown.cloud.headsNow()) {
    const log = node.ledger().logs.get(logId)
    const ours = log?.hashes[head.seq]
    if (log && !log.fork && node.ledger().ackedSeq(logId) > head.seq)
      shown.object(
        'I25',
        `log ${logId}: an ack covers ${node.ledger().ackedSeq(logId)}, and the cloud ends at ${head.seq}`,
      )
    // The cloud may have proof of a fork that no node holds any more, and shows it to a person; nodes hear nothing of it yet.
    const isProven = head.forkSeq !== undefined && head.forkSeq <= head.seq
    if (log && !log.fork && !isProven && ours !== undefined && ours !== head.hash)
      shown.object('I19', `log ${logId}: the cloud holds another event ${head.seq} than the nodes`)
  }
}

type Audit = {
  readonly shown: Shown
  readonly losses: Losses
  readonly bills: readonly CloudBill[]
  readonly sessions: readonly CloudSession[]
}

function audit({ shown, losses, bills, sessions }: Audit): Books {
  const bySession = new Map<string, CloudBill[]>()
  for (const bill of bills) bySession.set(bill.sessionId, [...(bySession.get(bill.sessionId) ?? []), bill])
  const ofStart = new Map<string, CloudSession[]>()
  for (const session of sessions) {
    const key = `${session.chargerId}/${session.meterStartWh}`
    ofStart.set(key, [...(ofStart.get(key) ?? []), session])
    checkSum(shown, session, bySession.get(session.sessionId) ?? [])
  }
  const billed = new Set<StationSession>()
  const lost: StationSession[] = []
  const known = new Set<string>()
  let [lostWh, doubleBills, count] = [0, 0, 0]
  for (const station of shown.stations) {
    const quirks = shown.plan.chargers.find(charger => charger.id === station.id)?.quirks ?? []
    const isAmbiguous = quirks.some(quirk => AMBIGUOUS.includes(quirk))
    for (const truth of station.sessions()) {
      const key = `${station.id}/${truth.meterStartWh}`
      known.add(key)
      if (truth.meterStopWh === undefined) continue
      count += 1
      const energyWh = truth.meterStopWh - truth.meterStartWh
      const candidates = ofStart.get(key) ?? []
      const invoices = candidates.filter(one => (bySession.get(one.sessionId) ?? []).length > 0)
      const energies = invoices.map(one => (bySession.get(one.sessionId) ?? []).at(-1)?.energyWh ?? 0)
      const what = `${station.id} ${truth.meterStartWh} to ${truth.meterStopWh} Wh`
      const twins = station.sessions().filter(one => one.meterStartWh === truth.meterStartWh)
      if (invoices.length > twins.length) {
        doubleBills += 1
        shown.object('I20', `${what} is invoiced ${invoices.length} times`)
      }
      const mostWh = Math.max(...twins.map(one => (one.meterStopWh ?? one.meterStartWh) - one.meterStartWh))
      if (energies.some(billedWh => billedWh > mostWh))
        shown.object('I22', `${what} is billed for ${Math.max(...energies)} Wh`)
      if (energies.includes(energyWh)) {
        billed.add(truth)
        continue
      }
      const excuse = excuseOf({ truth, losses, stationId: station.id, candidates, isAmbiguous, energyWh })
      if (excuse !== undefined && excuse !== 'destroyed') continue
      lost.push(truth)
      lostWh += energyWh
      if (excuse === undefined)
        shown.object(
          'I23',
          `${what} is not billed; the cloud has ${candidates.map(one => `${one.state} ${one.energyWh} Wh ${one.flags.join('+')}`).join('; ') || 'nothing'}`,
        )
    }
  }
  for (const session of sessions)
    if (
      !known.has(`${session.chargerId}/${session.meterStartWh}`) &&
      (bySession.get(session.sessionId) ?? []).length > 0
    )
      shown.object(
        'I23',
        `${session.chargerId} ${session.meterStartWh} Wh is billed, and no charger reported it`,
      )
  return { sessions: count, lost, lostWh, doubleBills, billed }
}

type Doubt = {
  readonly truth: StationSession
  readonly losses: Losses
  readonly stationId: Station['id']
  readonly candidates: readonly CloudSession[]
  readonly isAmbiguous: boolean
  readonly energyWh: number
}

/** Why a session without a bill over exactly its energy is no fault of ours. */
function excuseOf({
  truth,
  losses,
  stationId,
  candidates,
  isAmbiguous,
  energyWh,
}: Doubt): string | undefined {
  if (truth.lostByItself !== undefined) return 'the charger forgot it'
  const stopWh = truth.meterStopWh ?? truth.meterStartWh
  if (losses.tookRegister(stationId, truth.meterStartWh) || losses.tookRegister(stationId, stopWh))
    return 'destroyed'
  // Whoever is refused and takes nothing owes nothing.
  if (energyWh === 0 && candidates.every(one => one.state === 'complete' || one.state === 'open'))
    return 'nothing taken'
  // Without news of the operator no card is known and no price either: what was taken all the same waits for a person.
  if (candidates.some(one => one.state === 'unpriced' && one.flags.includes('refused-card')))
    return 'refused and unpriced'
  const isDisputed = candidates.some(
    one => DISPUTABLE.includes(one.state) || (one.state !== 'unpriced' && one.flags.length > 0),
  )
  return isAmbiguous && isDisputed ? 'disputed' : undefined
}
