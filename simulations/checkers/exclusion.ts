// Devices that the operator revoked (PROTOCOL 6.5). I17 once a node holds the news, nothing beyond the cut-off moves its sessions,
// and a second later it says nothing more to that device. The reckoning is its own: which logs came before the cut-off is
// read from the epochs that the node holds.

import type { Ledger } from '../../src/ledger.ts'
import type { EventRef } from '../../src/log/body.ts'
import { decodeBody } from '../../src/log/body.ts'
import { decodeElement } from '../../src/log/event.ts'
import type { LogId } from '../../src/units.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'
import type { RevokedDevice } from '../world/operator.ts'

const PATIENCE_MS = 1000
/** What an epoch says of the one before it may wait for so long. */
const REFOLD_MS = 35_000

export function exclusionChecker(shown: Shown): Observer {
  /** Since when a life of a node holds the news of a device. */
  const since = new Map<string, number>()
  const sinceOf = (member: Member, { deviceId, seq }: RevokedDevice): number | undefined => {
    const name = `${member.name}/${member.life()}/${deviceId}`
    const head = member.node()?.ledger().logs.get(shown.operator.logId)?.head.seq ?? -1
    if (head < seq) return undefined
    const held = since.get(name) ?? shown.nowMs()
    since.set(name, held)
    return held
  }
  const lookAt = (member: Member, ledger: Ledger, device: RevokedDevice): void => {
    const { deviceId } = device
    const counts = countsOf(ledger, device)
    for (const { sessionId, start, end } of ledger.view().sessions())
      for (const fact of [start, end])
        if (fact?.deviceId === deviceId && !counts(fact.ref))
          shown.object(
            'I17',
            `node ${member.name} counts event ${fact.ref.seq} of a revoked device in session ${sessionId}`,
          )
  }
  return {
    name: 'exclusion',
    sending: (member, to) => {
      for (const device of shown.operator.revokedDevices()) {
        if (device.deviceId !== to) continue
        const heardAtMs = sinceOf(member, device)
        if (heardAtMs !== undefined && shown.nowMs() - heardAtMs > PATIENCE_MS)
          shown.object('I17', `node ${member.name} speaks to a device of whose revocation it knows`)
      }
    },
    second: () => {
      const revoked = shown.operator.revokedDevices()
      if (revoked.length === 0) return
      for (const member of shown.members()) {
        const ledger = member.node()?.ledger()
        if (!ledger || !member.isHonest) continue
        for (const device of revoked) {
          const heardAtMs = sinceOf(member, device)
          if (heardAtMs !== undefined && shown.nowMs() - heardAtMs > REFOLD_MS) lookAt(member, ledger, device)
        }
      }
    },
  }
}

/** True for what stands in a named log up to its cut-off, and in the epochs before one up to where the next says they ended. */
function countsOf(ledger: Ledger, { cutoff }: RevokedDevice): (ref: EventRef) => boolean {
  const ends = [...cutoff]
  const named = new Set(cutoff.map(({ logId }) => logId))
  for (const logId of named) {
    const seen = new Set<LogId>()
    for (
      let at = prevOf(ledger, logId);
      at && !named.has(at.logId) && !seen.has(at.logId);
      at = prevOf(ledger, at.logId)
    ) {
      seen.add(at.logId)
      ends.push(at)
    }
  }
  return ref => ends.some(({ logId, seq }) => logId === ref.logId && ref.seq <= seq)
}

function prevOf(ledger: Ledger, logId: LogId): EventRef | undefined {
  const first = ledger.logs.get(logId)?.elements[0]
  const element = first && decodeElement(first)
  if (!element || typeof element === 'string') return undefined
  const said = decodeBody(element.type, element.body)
  return said?.name === 'epoch_open' ? said.body.prev : undefined
}
