// A site whose issuer was withdrawn by the root, with all that may hang on it: whom it certified before and beyond the
// cut-off, whom its successor names, revocations that count, no longer count, or stand behind a fork. And what a node makes
// of the same logs.
import { type RootManifest, signManifest } from '../../src/identity/manifest.ts'
import { createLedger } from '../../src/ledger.ts'
import type { AnyBody, EventRef } from '../../src/log/body.ts'
import type { Segment } from '../../src/ports.ts'
import {
  type SessionBodies,
  SITE_OPENED_AT,
  sessionBodies,
  type TestDevice,
  type TestLog,
  type TestSite,
} from '../site.ts'

export function certified({ certificate }: TestDevice): AnyBody {
  return { name: 'device_cert', body: { certificate: certificate.encoded } }
}

export function revoked({ certificate }: TestDevice, cutoff: readonly EventRef[] = []): AnyBody {
  const { deviceId, serial } = certificate
  return { name: 'device_revoke', body: { deviceId, serial, reason: 'stolen', cutoff } }
}

export function withdrawal(
  site: TestSite,
  version: number,
  withdrawn: readonly (readonly [TestDevice, readonly EventRef[]])[],
  rootSeed = site.rootSeed,
): AnyBody {
  const body: RootManifest = {
    ...{ version, siteId: site.siteId, issuedAt: SITE_OPENED_AT },
    withdrawn: withdrawn.map(
      ([
        {
          certificate: { deviceId, serial },
        },
        cutoff,
      ]) => ({ deviceId, serial, cutoff }),
    ),
  }
  return { name: 'site_manifest', body: { version, manifest: signManifest(site.signatures, rootSeed, body) } }
}

export function charging(log: TestLog, chargerId: string): SessionBodies {
  const words = sessionBodies({ chargerId })
  log.append([words.start, words.pricing, words.end])
  return words
}

export type WithdrawnSite = {
  /** In pieces that may be pushed in any order, each log's from its beginning. */
  readonly logs: readonly (readonly Segment[])[]
  /** The one of these that makes the new issuer's log fork. */
  readonly branch: readonly Segment[]
  readonly certificates: readonly Uint8Array[]
  /** Names of the chargers whose sessions count when everything is known. */
  readonly counting: readonly string[]
}

export function withdrawnSite(site: TestSite): WithdrawnSite {
  const old = site.issuer
  const [fresh, thief] = [site.device('issuer 2', ['issuer']), site.device('thief', ['revoker'])]
  const node = (name: string, by = old): TestDevice => site.device(name, ['node'], undefined, by)
  const [named, elder, late, evil, cut] = ['named', 'elder', 'late', 'evil', 'cut'].map(name => node(name))
  const [young, lost, freed] = ['young', 'lost', 'freed'].map(name => node(name, fresh))
  if (!named || !elder || !late || !evil || !cut || !young || !lost || !freed) throw new Error('eight nodes')
  const nodes = [named, elder, late, evil, cut, young, lost, freed]
  const logOf = new Map(nodes.map(one => [one, site.openLog(one)]))
  const first = new Map<TestDevice, EventRef>()
  for (const [one, log] of logOf) {
    charging(log, `${one.name}-1`)
    first.set(one, log.ref())
    charging(log, `${one.name}-2`)
  }
  const until = (one: TestDevice): readonly EventRef[] => [first.get(one)].flatMap(ref => ref ?? [])

  const oldest = site.openLog(old)
  oldest.append([certified(elder)])
  const oldLog = site.openLog(old, { prev: oldest.ref() })
  for (const said of [
    certified(named),
    certified(cut),
    revoked(cut, until(cut)),
    revoked(fresh),
    certified(fresh),
  ])
    oldLog.append([said])
  const cutoff = [oldLog.ref()]
  for (const said of [revoked(elder), certified(evil), revoked(named)]) oldLog.append([said])
  const beyond = site.openLog(old, { prev: oldLog.ref() })
  beyond.append([revoked(young)])
  const thiefLog = site.openLog(thief)
  thiefLog.append([revoked(named, until(named))])

  const freshLog = site.openLog(fresh)
  const branch = site.openLog(fresh, { epochId: freshLog.epochId })
  for (const one of [freshLog, branch])
    for (const said of [certified(late), revoked(lost, until(lost))]) one.append([said])
  freshLog.append([revoked(freed)])
  branch.append([revoked(freed, until(freed))])
  // Whoever carries it: beyond a cut-off, by somebody whom nobody names. The third is the thief's own.
  logOf.get(named)?.append([
    withdrawal(site, 1, [
      [old, []],
      [fresh, []],
    ]),
  ])
  logOf.get(cut)?.append([withdrawal(site, 2, [[old, cutoff]])])
  logOf.get(evil)?.append([withdrawal(site, 3, [[fresh, []]], thief.keys.logKey)])

  const logs = [oldest, oldLog, beyond, thiefLog, freshLog, branch, ...logOf.values()]
  const pieces = new Map(logs.map(log => [log, log.segments(0, 3)]))
  return {
    logs: [...pieces.values()],
    branch: pieces.get(branch) ?? [],
    certificates: [fresh, thief, ...nodes].map(one => one.certificate.encoded),
    counting: [
      ...['named', 'elder', 'late', 'young', 'freed'].flatMap(name => [`${name}-1`, `${name}-2`]),
      'cut-1',
      'lost-1',
    ],
  }
}

export type Watching = {
  readonly take: (segment: Segment) => void
  /** Chargers whose sessions count there, in order. */
  readonly counting: () => readonly string[]
}

/** A node that is told the same. */
export function watchingNode(site: TestSite, certificates: readonly Uint8Array[]): Watching {
  const observer = site.device('observer')
  const { certificate, keys } = observer
  const roster = site.roster([observer])
  for (const encoded of certificates) roster.enrol(encoded)
  const { signatures, random } = site
  const ledger = createLedger({
    ...{ roster, signatures, certificate, logKey: keys.logKey, random: { bytes: random }, swVersion: 'test' },
  })
  let nowMs = 0
  return {
    take: segment => {
      nowMs += 60_000
      ledger.admit(segment, { wallMs: SITE_OPENED_AT + nowMs, monotonicMs: nowMs })
      ledger.refold(nowMs)
    },
    counting: () =>
      ledger
        .view()
        .sessions()
        .map(session => session.chargerId)
        .toSorted(),
  }
}
