// Logs are what their authors wrote, everywhere and for ever (PROTOCOL 6.5).
// I1 every stored event hashes and links, and every stored prefix ends in a valid seal.
// I2 on each node a log only grows. I3 an honest device never signs two events of one number.
// I4 no event of an honest device exists that the device did not write.
import { decodeElement, digestToSign, GENESIS, place } from '../../src/log/event.ts'
import type { Log, Logs } from '../../src/replica/logs.ts'
import { type DeviceId, type EventHash, type LogId, sameBytes } from '../../src/units.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'

type Known = { readonly hashes: EventHash[]; readonly elements: Uint8Array[] }
/** `logs`: a node that had to read its store again holds them anew. */
type Seen = {
  readonly logs: Logs
  changes: number
  readonly heads: Map<LogId, { seq: number; hash: EventHash }>
}

export function logsChecker(shown: Shown): Observer {
  const honest = new Set(shown.members().map(member => member.deviceId))
  const written = new Map<LogId, Known>()
  const proven = new Set<EventHash>()
  const seen = new Map<Member, Seen>()

  const look = (member: Member): void => {
    const logs = member.node()?.ledger().logs
    if (!logs) return
    let past = seen.get(member)
    if (past?.logs !== logs) past = { logs, changes: 0, heads: new Map() }
    seen.set(member, past)
    if (past.changes === logs.changes()) return
    for (const log of logs.changedSince(past.changes)) checkLog(member, log, past)
    past.changes = logs.changes()
  }

  const checkLog = (member: Member, log: Log, past: Seen): void => {
    const before = past.heads.get(log.logId)
    const at = `node ${member.name}, log ${log.logId}`
    // Below a cut nothing is held; whether it was allowed is for pruning.ts to say.
    if (before && before.seq >= log.base && log.hashes[before.seq] !== before.hash)
      shown.object('I2', `${at}: what stood at ${before.seq} is not there any more`)
    past.heads.set(log.logId, { seq: log.hashes.length - 1, hash: log.hashes.at(-1) ?? GENESIS })
    const from = before ? before.seq + 1 : 0
    if (!log.elements.at(-1) || (log.elements.at(-1)?.[2] ?? 0) === 0)
      shown.object('I1', `${at}: does not end in a seal`)
    for (let seq = from; seq < log.hashes.length; seq++) prove(at, log, seq)
    if (honest.has(log.certificate.deviceId)) compare({ member, log, from, at })
  }

  /** Once for each event, whoever holds it; the others must hold the very same bytes. */
  const prove = (at: string, log: Log, seq: number): void => {
    const hash = log.hashes[seq]
    const element = log.elements[seq]
    if (hash === undefined || element === undefined || proven.has(hash)) return
    const read = decodeElement(element)
    const prev = seq === 0 ? GENESIS : log.hashes[seq - 1]
    if (typeof read === 'string' || prev === undefined) {
      shown.object('I1', `${at}: event ${seq} cannot be read`)
      return
    }
    const event = place(read, { logId: log.logId, seq, prev })
    if (event.hash !== hash) shown.object('I1', `${at}: event ${seq} does not hash to what is stored`)
    const { signature } = event
    const key = log.certificate.logKey
    if (signature && !shown.site.signatures.verify(signature, digestToSign(event, event), key))
      shown.object('I1', `${at}: the seal of event ${seq} is not its author's`)
    proven.add(hash)
  }

  type Compared = { readonly member: Member; readonly log: Log; readonly from: number; readonly at: string }
  const compare = ({ member, log, from, at }: Compared): void => {
    const known = written.get(log.logId) ?? { hashes: [], elements: [] }
    const isAuthor = isOwn(member, log.certificate.deviceId)
    for (let seq = from; seq < log.hashes.length; seq++) {
      const [hash, element] = [log.hashes[seq], log.elements[seq]]
      if (hash === undefined || element === undefined) continue
      const first = known.hashes[seq]
      if (first === undefined && isAuthor) {
        known.hashes.push(hash)
        known.elements.push(element)
      } else if (first === undefined)
        shown.object('I4', `${at}: event ${seq} was never written by ${log.certificate.name}`)
      else if (first !== hash) shown.object('I3', `${at}: event ${seq} exists twice, differently`)
      else if (
        known.elements[seq] !== element &&
        !sameBytes(known.elements[seq] ?? new Uint8Array(), element)
      )
        shown.object('I1', `${at}: event ${seq} has other bytes than its author's`)
    }
    written.set(log.logId, known)
  }

  return {
    name: 'logs',
    stepped: look,
    // What leaves is looked at first: the author may be gone before the step is over.
    sending: look,
    booted: look,
  }
}

function isOwn(member: Member, deviceId: DeviceId): boolean {
  return member.deviceId === deviceId
}
