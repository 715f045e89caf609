// Checkers that have never cried have not been tested: each is shown, in an ordinary world, the one thing that it is there
// for, and stays quiet without it. What production code must do for that to happen is in simulations/mutants.
import { describe, expect, it } from 'vitest'
import { convergenceChecker } from '../../simulations/checkers/convergence.ts'
import { durabilityChecker } from '../../simulations/checkers/durability.ts'
import { livenessChecker } from '../../simulations/checkers/liveness.ts'
import { watchLosses } from '../../simulations/checkers/losses.ts'
import { policyChecker } from '../../simulations/checkers/policy.ts'
import { stopsChecker } from '../../simulations/checkers/stops.ts'
import { uplinksChecker } from '../../simulations/checkers/uplinks.ts'
import { windowChecker } from '../../simulations/checkers/window.ts'
import type { CloudHead } from '../../simulations/cloud/cloud.ts'
import { seededRandom } from '../../simulations/dice.ts'
import type { Plan } from '../../simulations/plan.ts'
import type { Member, Observer, Shown } from '../../simulations/world/observer.ts'
import { runWorld } from '../../simulations/world/world.ts'
import type { Push } from '../../src/ports.ts'
import type { DeviceId, EventHash, LogId } from '../../src/units.ts'
import { smallPlan } from './small-plan.ts'

type Meddling = (shown: Shown, checker: Observer) => Omit<Observer, 'name'>
type Watching = {
  readonly check: (shown: Shown) => Observer
  readonly meddle: Meddling
  readonly plan?: Plan
}

/** The invariants that one checker found broken, each once, in a world where somebody meddles. */
async function cries({ check, meddle, plan = smallPlan() }: Watching): Promise<readonly string[]> {
  const seen = new Set<string>()
  await runWorld(plan, {
    observers: shown => {
      const checker = check(shown)
      return [{ name: 'meddler', ...meddle(shown, checker) }, checker]
    },
    object: (invariant, _observer, _atMs, detail) =>
      void seen.add(invariant === 'liveness' ? (detail.split(' ')[0] ?? '') : invariant),
    enough: () => false,
  })
  return [...seen]
}

const POWER_CUT: Plan = smallPlan({ faults: [{ atMs: 120_000, kind: 'power-cut', node: 2, downMs: 5000 }] })
const LINED: Plan = smallPlan({
  uplinks: [{ node: 1, windows: [[0, 240_000]], delayMs: [20, 80], lossRate: 0, duplicateRate: 0 }],
})
const POWER_CUT_LINED: Partial<Plan> = { faults: POWER_CUT.faults }
const NOTHING: Meddling = () => ({})
const PUSH: Push = { segments: [], certificates: [], sinceVersion: 0 }

/** Once, when the cloud has been heard of and nothing else goes on. */
function later(shown: Shown, act: () => void): Omit<Observer, 'name'> {
  return {
    second: () => {
      if (shown.nowMs() === 200_000) act()
    },
  }
}

function first(shown: Shown): Member {
  const member = shown.members()[0]
  if (!member) throw new Error('a world without nodes')
  return member
}

/** The disk of a node that lost power comes back empty, and no fault says so. */
const EMPTIED: Meddling = () => ({
  gone: (member, how) => {
    if (how === 'power-cut') member.disk.wipe()
  },
})

describe('the checker of durability', () => {
  it('is content with an ordinary world, and with one that loses power', async () => {
    expect(await cries({ check: durabilityChecker, meddle: NOTHING })).toEqual([])
    expect(await cries({ check: durabilityChecker, meddle: NOTHING, plan: POWER_CUT })).toEqual([])
  })

  it.each(['pushing', 'sending', 'answered'] as const)(
    'cries when a node speaks, %s, of what is not flushed',
    async way => {
      const meddle: Meddling = (shown, checker) =>
        later(shown, () => {
          const member = first(shown)
          const times = { wallMs: shown.plan.startsAt + shown.nowMs(), monotonicMs: shown.nowMs() }
          member
            .node()
            ?.ledger()
            .write([{ name: 'diagnostics', body: { code: 'unsaved', detail: '' } }], times)
          if (way === 'pushing') checker.pushing?.(member, PUSH, 'way')
          if (way === 'sending') checker.sending?.(member, member.deviceId, new Uint8Array(0))
          const [station] = shown.stations
          if (way !== 'answered' || !station) return
          const message = { kind: 'heartbeat' } as const
          const input = { chargerId: station.id, connectionId: 1, message, repairs: [] }
          checker.answered?.(member, input, { kind: 'noted' })
        })
      expect(await cries({ check: durabilityChecker, meddle })).toEqual(['I5'])
    },
  )

  it('cries when an honest disk does not give back what the node held', async () => {
    expect(await cries({ check: durabilityChecker, meddle: EMPTIED, plan: POWER_CUT })).toEqual(['I2'])
  })

  it('asks nothing of a disk that was taken away, or that has rotted', async () => {
    for (const kind of ['wipe', 'bit-flip'] as const) {
      const fault = kind === 'wipe' ? { kind, node: 2, downMs: 5000 } : { kind, node: 2 }
      const plan = smallPlan({ faults: [{ atMs: 100_000, ...fault }, ...POWER_CUT.faults] })
      const meddle = kind === 'wipe' ? NOTHING : EMPTIED
      expect(await cries({ check: durabilityChecker, meddle, plan })).toEqual([])
    }
  })
})

describe('the checker of policies', () => {
  it('is content with an ordinary world, and with one that loses power', async () => {
    expect(await cries({ check: policyChecker, meddle: NOTHING, plan: POWER_CUT })).toEqual([])
  })

  it('cries when beacons and receipts are gone after a reboot', async () => {
    expect(await cries({ check: policyChecker, meddle: EMPTIED, plan: POWER_CUT })).toEqual(['I16'])
  })

  it('cries when an older receipt stands where a newer one stood', async () => {
    const meddle: Meddling = (shown, checker) => {
      let isDone = false
      return {
        second: () => {
          const member = first(shown)
          const objects = member.node()?.ledger().objects
          const [newest] = objects?.ofKind('ack') ?? []
          if (!objects || !newest || isDone) return
          isDone = true
          checker.sending?.(member, member.deviceId, new Uint8Array(0))
          const changes = objects.changes() + 1
          const older = { ...newest, version: newest.version - 1 }
          Object.assign(objects, { changes: () => changes, changedSince: () => [older] })
          checker.sending?.(member, member.deviceId, new Uint8Array(0))
        },
      }
    }
    expect(await cries({ check: policyChecker, meddle, plan: LINED })).toEqual(['I16'])
  })
})

describe('the checker of the cloud’s word', () => {
  /** The cloud holds this much less, or another event, than it says. */
  const holding =
    (change: (head: CloudHead) => CloudHead | undefined): Meddling =>
    shown => {
      const { headsNow } = shown.cloud
      const changed = (): ReturnType<typeof headsNow> =>
        new Map(
          [...headsNow()].flatMap(([logId, head]) => {
            const other = shown.nowMs() > 110_000 ? change(head) : head
            return other ? [[logId, other] as const] : []
          }),
        )
      Object.assign(shown.cloud, { headsNow: changed })
      return {}
    }

  it('is content with an ordinary world', async () => {
    expect(await cries({ check: uplinksChecker, meddle: NOTHING, plan: LINED })).toEqual([])
  })

  it('cries when a receipt claims what is not committed, or another event', async () => {
    const less = holding(head => (head.seq > 0 ? { ...head, seq: head.seq - 1 } : undefined))
    expect(await cries({ check: uplinksChecker, meddle: less })).toContain('I25')
    const other = holding(head => ({ ...head, hash: 'ff'.repeat(32) as EventHash }))
    expect(await cries({ check: uplinksChecker, meddle: other })).toEqual(['I25'])
  })

  it('cries when nodes believe what the cloud has lost, or it lacks what they hold', async () => {
    const forgetful: Meddling = shown => {
      const { headsNow } = shown.cloud
      return {
        calmed: () => void Object.assign(shown.cloud, { headsNow: () => new Map([...headsNow()].slice(1)) }),
      }
    }
    expect(await cries({ check: uplinksChecker, meddle: forgetful, plan: LINED })).toContain('I25')
    const deaf = smallPlan({ uplinks: [], durationMs: 100_000, quietMs: 1 })
    expect(await cries({ check: uplinksChecker, meddle: NOTHING, plan: deaf })).toEqual(['L1'])
  })

  it('cries when there are two events in one place', async () => {
    let isOther = false
    const meddle: Meddling = shown => {
      const { headsNow } = shown.cloud
      const turned = (): ReturnType<typeof headsNow> =>
        new Map(
          [...headsNow()].map(([logId, head]) => [
            logId,
            isOther ? { ...head, hash: 'ff'.repeat(32) as EventHash } : head,
          ]),
        )
      Object.assign(shown.cloud, { headsNow: turned })
      return {
        second: () => {
          isOther ||= shown.nowMs() > 200_000
        },
      }
    }
    expect(await cries({ check: uplinksChecker, meddle, plan: LINED })).toContain('I19')
  })

  it('cries when the cloud reports a gap that is none, or says nothing of one', async () => {
    const gaps: Meddling = shown => {
      const [node] = shown.site.devices
      const logId = (): LogId => [...shown.cloud.headsNow().keys()][0] as LogId
      const gap = () => ({
        kind: 'missing' as const,
        deviceId: node?.certificate.deviceId as DeviceId,
        logId: logId(),
      })
      Object.assign(shown.cloud, { gaps: async () => [{ ...gap(), fromSeq: 1, toSeq: 2, namedBy: logId() }] })
      return {}
    }
    expect(await cries({ check: uplinksChecker, meddle: gaps, plan: LINED })).toEqual(['I24'])
    const silent: Meddling = shown => {
      const { heads } = shown.cloud
      const short = async () => new Map([...(await heads())].map(([id, head]) => [id, { ...head, seq: 0 }]))
      Object.assign(shown.cloud, { heads: short })
      return {}
    }
    expect(
      await cries({ check: uplinksChecker, meddle: silent, plan: { ...LINED, ...POWER_CUT_LINED } }),
    ).toEqual(['I24'])
  })
})

describe('the checker of convergence', () => {
  const check = (shown: Shown): Observer => convergenceChecker(shown, seededRandom(1).fork('checker'))

  it('cries when one honest node bans another, and not when it bans somebody else', async () => {
    const bans =
      (whom: (shown: Shown) => DeviceId | undefined): Meddling =>
      (shown, checker) =>
        later(shown, () => checker.banning?.(first(shown), whom(shown) as DeviceId, 'no reason'))
    expect(await cries({ check, meddle: bans(shown => shown.members()[1]?.deviceId) })).toEqual(['I9'])
    expect(await cries({ check, meddle: bans(() => 'f'.repeat(32) as DeviceId) })).toEqual([])
  })

  it('cries when the order of logs decides which of two records of a session counts', async () => {
    const meddle: Meddling = shown => ({
      calmed: () => {
        const ledger = first(shown).node()?.ledger()
        if (!ledger) return
        const { view } = ledger
        const mirrored = () =>
          view()
            .sessions()
            .map(one => ({ ...one, start: { ...one.start, hlc: 0n } }))
        Object.assign(ledger, { view: () => ({ ...view(), sessions: mirrored }) })
      },
    })
    expect(await cries({ check, meddle })).toEqual(expect.arrayContaining(['I26', 'I7']))
  })
})

describe('the checker of liveness', () => {
  const check = (shown: Shown): Observer => livenessChecker(shown, watchLosses(shown))
  const unmarked: Meddling = shown => ({
    calmed: () => {
      const ledger = first(shown).node()?.ledger()
      if (!ledger) return
      const { view } = ledger
      const sessions = () =>
        view()
          .sessions()
          .map(({ mark: _, ...one }) => one)
      Object.assign(ledger, { view: () => ({ ...view(), sessions }) })
    },
  })

  it('is content with an ordinary world', async () => {
    expect(await cries({ check, meddle: NOTHING })).toEqual([])
  })

  it('cries when a session whose end the cloud has is not marked', async () => {
    expect(await cries({ check, meddle: unmarked })).toEqual(['L3'])
  })

  it('asks no mark of nodes that were copied or lost their disk', async () => {
    const faults: Plan['faults'] = [1, 2, 3].map(node => ({
      atMs: 200_000,
      kind: 'clone',
      node,
      forMs: 1000,
    }))
    expect(await cries({ check, meddle: unmarked, plan: smallPlan({ faults }) })).toEqual([])
  })
})

describe('the checker of the risk window', () => {
  const [visit] = smallPlan().visits
  if (!visit) throw new Error('a plan without visits')
  /** Node 1 hears of the revocation behind a split, and the thief goes to node 2, which cannot. */
  const THIEF = smallPlan({
    capWhPerDay: 5000,
    visits: [
      ...[2, 3].map(charger => ({ ...visit, atMs: 5000, charger, card: charger - 1, stayMs: 20_000 })),
      { ...visit, atMs: 90_000, charger: 2, card: 0, stayMs: 60_000 },
    ],
    faults: [{ atMs: 60_000, kind: 'split', groups: [[1], [2, 3]], forMs: 170_000 }],
    cards: ['A', 'B', 'C'].map(idTag => ({ idTag, kind: 'good' })),
    operator: [{ atMs: 70_000, node: 1, kind: 'revoke', card: 0 }],
  })
  /** Node 1 believes that all the others have said that they know. */
  const believing: Meddling = shown => ({
    second: () => {
      const ledger = first(shown).node()?.ledger()
      const [revoked] = shown.operator.revocations()
      const hash = revoked && ledger?.logs.get(shown.operator.logId)?.hashes[revoked.seq]
      if (!ledger || !revoked || !hash) return
      const { knowledge } = ledger.view()
      for (const { logId, head, certificate } of ledger.logs.all())
        knowledge.said(certificate.deviceId, { logId, seq: head.seq, hlc: head.hlc }, [
          { logId: shown.operator.logId, seq: revoked.seq, hash },
        ])
    },
  })

  it('is content while the nodes state what a thief can take', async () => {
    expect(await cries({ check: windowChecker, meddle: NOTHING, plan: THIEF })).toEqual([])
  })

  it('cries when one states less than he took', async () => {
    expect(await cries({ check: windowChecker, meddle: believing, plan: THIEF })).toEqual(['I15'])
  })
})

describe('the checker of ended sessions', () => {
  // The card at charger 1 is revoked while it charges there, and half a minute later would be too late.
  const plan = smallPlan({
    operator: [{ atMs: 40_000, node: 1, kind: 'revoke', card: 0 }],
    faults: [],
  })

  it('is content with nodes that end what runs on a revoked card', async () => {
    expect(await cries({ check: stopsChecker, meddle: NOTHING, plan })).toEqual([])
  })

  it('cries when it goes on and nobody has asked the charger', async () => {
    const check = (shown: Shown): Observer => {
      const stations = shown.stations.map(station => ({
        ...station,
        sessions: () => station.sessions().map(({ stoppedAtMs: _, ...running }) => running),
      }))
      const { commanding: _, ...deaf } = stopsChecker({ ...shown, stations })
      return deaf
    }
    expect(await cries({ check, meddle: NOTHING, plan })).toEqual(['I33'])
  })
})
