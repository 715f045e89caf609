// What goes into a charger's own list, and what is sent to a charger that holds one already.
import { describe, expect, it } from 'vitest'
import type { ListRecord } from '../../src/authorization/list-records.ts'
import { createListRecords, isCovered } from '../../src/authorization/list-records.ts'
import {
  chooseUpdate,
  type Held,
  MAX_LIST_VERSION,
  nextVersion,
} from '../../src/authorization/list-update.ts'
import {
  EMPTY_LIST,
  type ListCircumstances,
  type ListEntry,
  type LocalList,
  listDigest,
  nowBlocked,
  projectList,
} from '../../src/authorization/local-list.ts'
import { createPolicy, type Policy } from '../../src/authorization/policy.ts'
import type { BodyOf, EventRef } from '../../src/log/body.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import type { ChargerId, DeviceId, EventHash, LogId, TokenRef } from '../../src/units.ts'

const NOW = Date.UTC(2026, 5, 10, 12)
const DAY_MS = 24 * 3600 * 1000
const CP = 'CP1' as ChargerId

const card = (n: number): TokenRef => n.toString(16).padStart(32, '0') as TokenRef
const refOf = (seq: number): EventRef => ({
  logId: 'aa'.repeat(16) as LogId,
  seq,
  hash: seq.toString(16).padStart(64, '0') as EventHash,
})

function site(): {
  readonly policy: Policy
  readonly grant: (n: number, change?: Partial<BodyOf<'grant'>>) => void
  readonly revoke: (n: number) => void
} {
  const policy = createPolicy()
  let seq = 0
  const placed = () => {
    seq += 1
    return { ref: refOf(seq), hlc: hlcOf(NOW - DAY_MS + seq) }
  }
  return {
    policy,
    revoke: n =>
      policy.addRevocation({
        ...placed(),
        by: 'the issuer',
        body: { tokenRef: card(n), reason: 'lost', effectiveAt: NOW },
      }),
    grant: (n, change = {}) =>
      policy.addGrant({
        ...placed(),
        body: {
          ...{ tokenRef: card(n), accountRef: card(n), whitelist: 'ALLOWED_OFFLINE', supersedes: [] },
          ...{ tagSealed: Uint8Array.of(n), scope: { zones: [], connectorTypes: [] }, class: 'standard' },
          ...{ notBeforeAt: NOW - DAY_MS, notAfterAt: NOW + 300 * DAY_MS },
          offline: { maxAgeS: (30 * DAY_MS) / 1000 },
          ...change,
        },
      }),
  }
}

const HERE: ListCircumstances = {
  ...{ nowAt: NOW, beaconAt: NOW - 60_000, zone: undefined, stalePolicy: 'reduced', maxEntries: 100 },
}
const listOf = (policy: Policy, change: Partial<ListCircumstances> = {}) =>
  projectList(policy, { ...HERE, ...change })
const says = (entries: readonly ListEntry[]) =>
  entries.map(({ tokenRef, status }) => `${Number.parseInt(tokenRef, 16)} ${status}`)

describe("a charger's list", () => {
  it('names cards that may charge here and now, revoked ones as blocked, just expired ones as expired', () => {
    const { policy, grant, revoke } = site()
    grant(1)
    grant(2)
    revoke(2)
    grant(3, { notAfterAt: NOW - 1 })
    grant(4, { notAfterAt: NOW - 2 * DAY_MS })
    grant(5, { notBeforeAt: NOW + 1 })
    grant(6, { whitelist: 'NEVER' })
    grant(7, { scope: { zones: ['north'], connectorTypes: [] } })
    grant(8, { offline: { maxAgeS: 60 } })
    expect(says(listOf(policy).entries)).toEqual(['1 Accepted', '2 Blocked', '3 Expired'])
    expect(says(listOf(policy, { zone: 'north' }).entries)).toContain('7 Accepted')
    expect(says(listOf(policy, { zone: 'south' }).entries)).not.toContain('7 Accepted')
  })

  it('cannot name a card whose grants carry no sealed id, and counts it; one that was sealed once stays blocked', () => {
    const { policy, grant, revoke } = site()
    policy.addGrant({
      ref: refOf(99),
      hlc: hlcOf(NOW),
      body: {
        ...{ tokenRef: card(9), accountRef: card(9), whitelist: 'ALLOWED', supersedes: [], class: '' },
        ...{ notBeforeAt: 0, notAfterAt: NOW + DAY_MS, scope: { zones: [], connectorTypes: [] } },
        offline: { maxAgeS: DAY_MS },
      },
    })
    grant(1)
    revoke(1)
    const { entries, unsealed } = listOf(policy)
    expect(says(entries)).toEqual(['1 Blocked'])
    expect(unsealed).toBe(1)
  })

  it('ends what it allows when the operator would be too long unheard, and no later than the card itself', () => {
    const { policy, grant } = site()
    grant(1, { offline: { maxAgeS: (10 * DAY_MS) / 1000 } })
    const end = (change: Partial<ListCircumstances>) => listOf(policy, change).entries[0]?.expiresAt ?? 0
    const beaconAt = NOW - DAY_MS
    expect(end({ beaconAt })).toBeGreaterThanOrEqual(beaconAt + 5 * DAY_MS)
    expect(end({ beaconAt })).toBeLessThanOrEqual(beaconAt + 10 * DAY_MS)
    // The next beacon does not change it, so that lists are not sent anew with each.
    expect(end({ beaconAt: beaconAt + 60_000 })).toBe(end({ beaconAt }))
    expect(listOf(policy, { beaconAt: NOW - 11 * DAY_MS }).entries).toEqual([])
    expect(end({ beaconAt, stalePolicy: 'allowlist' })).toBeLessThanOrEqual(beaconAt + 7 * DAY_MS)
    grant(1, { notAfterAt: NOW + DAY_MS })
    expect(end({ beaconAt })).toBe(NOW + DAY_MS)
  })

  it('keeps a quarter of its room for blocked cards and gives the rest to the newest grants', () => {
    const { policy, grant, revoke } = site()
    for (let n = 1; n <= 20; n++) grant(n)
    for (const n of [1, 2, 3, 4]) revoke(n)
    const { entries, leftOut } = listOf(policy, { maxEntries: 8 })
    const accepted = ['15', '16', '17', '18', '19', '20'].map(n => `${n} Accepted`)
    expect(says(entries)).toEqual(['3 Blocked', '4 Blocked', ...accepted])
    expect(leftOut).toBe(12)
    expect(listOf(policy, { maxEntries: 0 }).entries).toEqual([])
  })

  it('is the same bytes for the same cards, and other bytes for any other word', () => {
    const { policy, grant, revoke } = site()
    grant(1)
    grant(2)
    const before = listDigest(listOf(policy).entries)
    expect(listDigest(listOf(policy).entries)).toEqual(before)
    revoke(2)
    expect(listDigest(listOf(policy).entries)).not.toEqual(before)
  })

  it('knows which of its cards must go at once', () => {
    const { policy, grant, revoke } = site()
    grant(1)
    grant(2)
    const held = new Map(listOf(policy).entries.map(entry => [entry.tokenRef, entry]))
    expect(nowBlocked(policy, held)).toEqual([])
    revoke(1)
    expect(nowBlocked(policy, held)).toEqual([card(1)])
  })
})

const BASE: Held = {
  blocked: new Set(),
  hasRoom: true,
  version: 0,
  entries: undefined,
  records: [],
  holds: () => true,
  mayReplace: false,
}

function recordOf(first: number, last: number, change: Partial<BodyOf<'local_list'>> = {}): ListRecord {
  return {
    ...{ hlc: hlcOf(NOW + last), deviceId: 'dd'.repeat(16) as DeviceId, logId: 'cc'.repeat(16) as LogId },
    body: {
      ...{ chargerId: CP, firstVersion: first, lastVersion: last, entries: 1, digest: new Uint8Array(8) },
      ...{ policyHead: [refOf(5)], ...change },
    },
  }
}

describe('an update', () => {
  const made = site()
  for (const n of [1, 2, 3]) made.grant(n)
  made.revoke(3)
  const list = listOf(made.policy)
  const wanted = list.entries
  const only = (entries: readonly ListEntry[]): LocalList => ({ ...list, entries })
  const holdsTo = (seq: number) => (head: EventRef) => head.seq <= seq

  it('is everything for an empty list, and nothing where nothing is wanted', () => {
    expect(chooseUpdate(BASE, list)).toEqual({ kind: 'full', put: wanted })
    expect(chooseUpdate(BASE, EMPTY_LIST)).toEqual({ kind: 'none', isSame: true })
  })

  it('is the difference to what is known, and an empty list at once', () => {
    const entries = new Map(wanted.slice(0, 2).map(entry => [entry.tokenRef, entry]))
    const other = { ...(wanted[0] as ListEntry), tokenRef: card(9) }
    entries.set(card(9), other)
    const held = { ...BASE, version: 7, entries }
    expect(chooseUpdate(held, list)).toEqual({ kind: 'change', put: [wanted[2]], removed: [other] })
    expect(chooseUpdate(held, only([...entries.values()]))).toEqual({ kind: 'none', isSame: true })
    expect(chooseUpdate(held, EMPTY_LIST)).toEqual({ kind: 'full', put: [] })
  })

  it('is everything over a list that was made of what is held here, unless it is just that list', () => {
    const same = { digest: listDigest(wanted) }
    const held = { ...BASE, version: 12, holds: holdsTo(5) }
    expect(chooseUpdate({ ...held, records: [recordOf(10, 12)] }, list).kind).toBe('full')
    expect(chooseUpdate({ ...held, records: [recordOf(10, 12, same)] }, list)).toEqual({
      ...{ kind: 'none', isSame: true },
    })
    // Only a part of it arrived.
    expect(chooseUpdate({ ...held, records: [recordOf(10, 13, same)] }, list).kind).toBe('full')
    // Two lists under one number: which is it?
    const two = [recordOf(12, 12, same), recordOf(12, 12)]
    expect(chooseUpdate({ ...held, records: two }, list).kind).toBe('full')
  })

  it('only blocks cards on a list that was made of more than is held here, or of nobody knows what', () => {
    const put = wanted.filter(({ status }) => status === 'Blocked')
    const blocked = { kind: 'blocks', put, removed: [] }
    const held = { ...BASE, version: 12, holds: holdsTo(4) }
    expect(chooseUpdate(held, list)).toEqual(blocked)
    expect(chooseUpdate({ ...held, records: [recordOf(12, 12)] }, list)).toEqual(blocked)
    expect(chooseUpdate({ ...held, records: [recordOf(12, 12)], mayReplace: true }, list).kind).toBe('full')
    const noRoom = { ...held, hasRoom: false }
    expect(chooseUpdate(noRoom, list)).toEqual({ kind: 'blocks', put: [], removed: put })
    const told = { ...held, blocked: new Set(put.map(({ tokenRef }) => tokenRef)) }
    expect(chooseUpdate(told, list)).toEqual({ kind: 'none', isSame: false })
  })

  it('counts a list that was laid over another as made of both', () => {
    const over = recordOf(13, 13, { onto: 12, policyHead: [refOf(2)] })
    expect(isCovered([over], 13, holdsTo(9))).toBe(false)
    expect(isCovered([over, recordOf(12, 12)], 13, holdsTo(9))).toBe(true)
    expect(isCovered([over, recordOf(12, 12)], 13, holdsTo(4))).toBe(false)
  })

  it('asks once about each version, however many records name it', () => {
    const chain = Array.from({ length: 32 }, (_, k) => recordOf(k + 1, k + 1, k === 0 ? {} : { onto: k }))
    let asked = 0
    const holds = (): boolean => ++asked < 10_000
    expect(isCovered([...chain, ...chain], 32, holds)).toBe(true)
    expect(asked).toBe(64)
  })

  it('keeps the newest records of each charger, and none that leads in a circle', () => {
    const records = createListRecords()
    records.add(recordOf(5, 5, { onto: 5 }))
    records.add(recordOf(5, 4))
    for (let version = 1; version <= 100; version++) records.add(recordOf(version, version))
    expect(records.of(CP).map(({ body }) => body.lastVersion)).toEqual(
      Array.from({ length: 64 }, (_, i) => 100 - i),
    )
  })

  it('has a version above what is there and above what its news count, up to the last number', () => {
    expect(nextVersion(0, 10, 3)).toBe(641)
    expect(nextVersion(700, 10, 3)).toBe(701)
    expect(nextVersion(MAX_LIST_VERSION - 3, 10, 3)).toBe(MAX_LIST_VERSION - 2)
    expect(nextVersion(MAX_LIST_VERSION - 2, 10, 3)).toBeUndefined()
  })
})
