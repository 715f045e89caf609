// When the turn of forwarding to a central system changes hands (uplink/agreement.ts). No clock here: a row is taken from its
// holder by whoever saw it unchanged for a lease, and only while it stands just so; the holder's every word changes it.
import { VERSIONS_PER_EPOCH } from '../log/object.ts'
import type { DeviceId } from '../units.ts'
import {
  type AgreedRow,
  type AgreementRequest,
  type Claim,
  type Mark,
  sameMark,
} from '../uplink/agreement.ts'

export type TermRow = {
  readonly mark: Mark
  /** Undefined: nobody. */
  readonly holder?: { readonly life: string; readonly deviceId: DeviceId }
  /** Given up, or never had: whose turn it is by the operator's order may have it at once. */
  readonly isFree: boolean
  /** To whom it was given up. */
  readonly next?: DeviceId
  readonly leaseMs: number
  readonly cloudEpoch: number
  /** When it was taken from another that did not give it up; 0: nobody knows. */
  readonly takenAt?: number
  readonly heads?: AgreedRow['heads']
}

export type Asker = Pick<AgreementRequest, 'leaseMs'> & {
  readonly life: string
  readonly deviceId: DeviceId
  /** Raised after every restore: rows may be older than what was answered from them. */
  readonly cloudEpoch: number
}

/** The row as it stands after a claim; undefined where there is none and the asker may not begin one. */
export function judge(before: TermRow | undefined, claim: Claim, asker: Asker): TermRow | undefined {
  if (!before && !claim.mayBegin) return undefined
  const row = current(before, asker)
  const isHolders = row.holder?.life === asker.life
  if (claim.release) return isHolders && sameMark(claim.release, row.mark) ? given(row, claim) : row
  if (isHolders) return { ...row, leaseMs: asker.leaseMs, mark: renewed(row.mark) }
  const isNext =
    row.isFree && (row.next === undefined ? claim.mayBegin === true : row.next === asker.deviceId)
  return isNext || sameMark(claim.silent, row.mark) ? taken(row, claim, asker) : row
}

/**
 * A row of an earlier epoch may be older than what its holder was told last, and a row that is not there may be lost: nobody
 * has it then before a lease has passed.
 */
function current(row: TermRow | undefined, { cloudEpoch, leaseMs }: Asker): TermRow {
  if (row && row.cloudEpoch >= cloudEpoch) return row
  const mark = { term: cloudEpoch * VERSIONS_PER_EPOCH, renewals: 0 }
  const isFirst = !row && cloudEpoch === 1
  return {
    ...{ mark, cloudEpoch, isFree: isFirst, leaseMs: Math.max(leaseMs, row?.leaseMs ?? 0) },
    ...(!isFirst && { takenAt: 0 }),
  }
}

function renewed({ term, renewals }: Mark): Mark {
  return { term, renewals: renewals + 1 }
}

function given({ mark, leaseMs, cloudEpoch, takenAt }: TermRow, { heads = [], to }: Claim): TermRow {
  // What a holder of before may have said is no better known because this one gives up.
  const doubt = takenAt !== undefined && { takenAt }
  const next = to !== undefined && { next: to }
  return { mark: renewed(mark), isFree: true, leaseMs, cloudEpoch, heads, ...doubt, ...next }
}

function taken(row: TermRow, { at = 0 }: Claim, { life, deviceId, leaseMs }: Asker): TermRow {
  const { mark, holder, cloudEpoch, heads, takenAt, isFree } = row
  // What a device said before it was started again stands in its own log.
  const isOwn = holder?.deviceId === deviceId
  const since = isFree || isOwn ? takenAt : at
  return {
    mark: { term: mark.term + 1, renewals: 0 },
    ...{ holder: { life, deviceId }, isFree: false, leaseMs, cloudEpoch },
    ...(since !== undefined && { takenAt: since }),
    ...(heads && { heads }),
  }
}

export function answerOf(uplink: string, row: TermRow, asker: Asker): AgreedRow {
  const { mark, holder, leaseMs, takenAt, heads } = row
  const isYours = holder?.life === asker.life
  return {
    ...{ uplink, mark, isYours, leaseMs },
    ...(holder && { holder: holder.deviceId }),
    ...(takenAt !== undefined && { takenAt }),
    ...(heads && { heads }),
  }
}
