// The charge points of a plan over real sockets, and their drivers: they come, plug in, tap, charge and leave, as in the
// simulator. What a meter took is the truth that the books are judged by. A driver whose card is still being asked about
// waits for the answer before leaving.
import type { Closers } from '../../src/host/closers.ts'
import { TYPICAL_BATTERY } from '../charger/battery.ts'
import { openVirtualCharger, type VirtualCharger } from '../charger/virtual.ts'
import { type Dice, seededRandom } from '../dice.ts'
import type { ChargerPlan, Visit } from '../plan.ts'
import type { VisitRecord } from '../station/station.ts'
import type { Stage } from './stage.ts'
import type { Timeline } from './timeline.ts'

/** As the simulator's drivers (station/visit.ts). */
const TAP_MS: readonly [number, number] = [4000, 15_000]
const PULLS_PLUG_RATE = 0.3
const IMPATIENT_ATTEMPTS = 3
const RETRY_MS = 1000

export type RealStation = {
  readonly charger: VirtualCharger
  readonly arrive: (visit: Visit) => void
  /** Every driver leaves for good. */
  readonly leaveAll: () => Promise<void>
  readonly powerOff: () => Promise<void>
  readonly powerOn: () => void
  readonly offline: (isOffline: boolean) => void
  readonly moveOn: () => void
  readonly visits: readonly VisitRecord[]
}

export type GuestsDeps = { readonly stage: Stage; readonly timeline: Timeline; readonly closers: Closers }

export function openStations({ stage, timeline, closers }: GuestsDeps): readonly RealStation[] {
  const dice = seededRandom(stage.plan.seed).fork('real')
  const stations = stage.plan.chargers.map(charger =>
    openStation(charger, { stage, timeline, dice: dice.fork(`charger-${charger.id}`) }),
  )
  closers.push('chargers', async () => {
    for (const { charger } of stations) charger.close()
  })
  return stations
}

type Guest = { readonly visit: Visit; isDecided: boolean; tapped: Promise<void> }
type StationDeps = { readonly stage: Stage; readonly timeline: Timeline; readonly dice: Dice }

function openStation(plan: ChargerPlan, { stage, timeline, dice }: StationDeps): RealStation {
  const guests = new Map<number, Guest>()
  const visits: VisitRecord[] = []
  let [isPowered, isCableDead, isOver] = [true, false, false]
  const charger = openVirtualCharger({
    ...{ identity: plan.id, password: stage.passwords.get(plan.id) ?? '', connectors: plan.connectors },
    urls: plan.nodes.map(node => `ws://127.0.0.1:${stage.nodes[node - 1]?.ocppPort}/ocpp`),
    ...{ meterIntervalMs: plan.meterEveryMs, registerWh: plan.registerWh, retryIntervalMs: RETRY_MS },
    battery: connector => guests.get(connector)?.visit.battery ?? TYPICAL_BATTERY,
    random: dice.random,
    ...(plan.quirks.includes('impatient') && { attempts: IMPATIENT_ATTEMPTS }),
    ...(plan.quirks.includes('offline-starts') && { settings: { AllowOfflineTxForUnknownId: 'true' } }),
  })

  const note = (guest: Guest, said: Pick<VisitRecord, 'outcome' | 'wasOffline' | 'status'>): void => {
    guest.isDecided = true
    visits.push({ visit: guest.visit, decidedAtMs: timeline.nowMs(), ...said })
  }

  const tap = async (guest: Guest): Promise<void> => {
    const { connector, card } = guest.visit
    if (guests.get(connector) !== guest || !isPowered) return
    const { accepted, status } = await charger.tap(connector, stage.plan.cards[card]?.idTag ?? '')
    note(guest, { outcome: accepted ? 'served' : 'refused', status, wasOffline: status === 'Offline' })
    if (!accepted) await clear(guest, 'Local')
  }

  const clear = async (guest: Guest, reason: string): Promise<void> => {
    if (guests.get(guest.visit.connector) !== guest) return
    await charger.stop(guest.visit.connector, reason)
    guests.delete(guest.visit.connector)
  }

  const leave = async (guest: Guest): Promise<void> => {
    await guest.tapped
    if (!guest.isDecided) note(guest, { outcome: 'turned-away', wasOffline: false })
    await clear(guest, dice.chance(PULLS_PLUG_RATE) ? 'EVDisconnected' : 'Local')
  }

  const arrive = (visit: Visit): void => {
    const guest: Guest = { visit, isDecided: false, tapped: Promise.resolve() }
    if (!isPowered || isOver || guests.has(visit.connector) || visit.connector > plan.connectors) {
      note(guest, { outcome: 'turned-away', wasOffline: false })
      return
    }
    guests.set(visit.connector, guest)
    charger.plugIn(visit.connector)
    timeline.after(Math.min(dice.between(...TAP_MS), visit.stayMs / 2), async () => {
      guest.tapped = tap(guest)
      await guest.tapped
    })
    timeline.after(visit.stayMs, () => leave(guest))
  }

  return {
    ...{ charger, arrive, visits },
    leaveAll: async () => {
      isOver = true
      for (const guest of [...guests.values()]) await leave(guest)
    },
    powerOff: async () => {
      if (!isPowered) return
      isPowered = false
      // Its sessions end at this register; what it has to say waits until the power is back.
      const cycled = charger.powerCycle()
      for (const guest of [...guests.values()]) if (!guest.isDecided) await leave(guest)
      await cycled
      if (!isPowered || isCableDead) charger.disconnect()
    },
    powerOn: () => {
      isPowered = true
      if (!isCableDead) charger.connect()
    },
    offline: isOffline => {
      isCableDead = isOffline
      if (isOffline) charger.disconnect()
      else if (isPowered) charger.connect()
    },
    moveOn: () => {
      if (!isPowered || isCableDead) return
      // Whoever loses a line turns to the next node of the list.
      charger.disconnect()
      timeline.after(RETRY_MS, () => {
        if (isPowered && !isCableDead) charger.connect()
      })
    },
  }
}
