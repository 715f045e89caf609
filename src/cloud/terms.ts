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
  /** Given up, or never had: anybody may have it at once. */
  readonly isFree: boolean
  readonly leaseMs: number
  readonly cloudEpoch: number
  /** Another than its holder had it before and did not give it up. */
  readonly isTaken: boolean
}

export type Asker = Pick<AgreementRequest, 'leaseMs'> & {
  readonly life: string
  readonly deviceId: DeviceId
  /** Raised after every restore: rows may be older than what was answered from them. */
  readonly cloudEpoch: number
}

/** The row as it stands after a claim. */
export function judge(before: TermRow | undefined, claim: Claim, asker: Asker): TermRow {
  const row = current(before, asker)
  const isHolders = row.holder?.life === asker.life
  if (claim.release) return isHolders && sameMark(claim.release, row.mark) ? given(row) : row
  if (isHolders) return { ...row, leaseMs: asker.leaseMs, mark: renewed(row.mark) }
  return row.isFree || sameMark(claim.silent, row.mark) ? taken(row, asker) : row
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
    ...{ mark, cloudEpoch, isFree: isFirst, isTaken: !isFirst },
    leaseMs: Math.max(leaseMs, row?.leaseMs ?? 0),
  }
}

function renewed({ term, renewals }: Mark): Mark {
  return { term, renewals: renewals + 1 }
}

function given({ mark, leaseMs, cloudEpoch }: TermRow): TermRow {
  return { mark: renewed(mark), isFree: true, leaseMs, cloudEpoch, isTaken: false }
}

function taken(row: TermRow, { life, deviceId, leaseMs }: Asker): TermRow {
  const { mark, holder, cloudEpoch } = row
  return {
    mark: { term: mark.term + 1, renewals: 0 },
    ...{ holder: { life, deviceId }, isFree: false, leaseMs, cloudEpoch },
    // What a device said before it was started again stands in its own log.
    isTaken: row.isTaken || (holder !== undefined && holder.deviceId !== deviceId),
  }
}

export function answerOf(
  uplink: string,
  { mark, holder, leaseMs, isTaken }: TermRow,
  asker: Asker,
): AgreedRow {
  const isYours = holder?.life === asker.life
  return { uplink, mark, isYours, ...(holder && { holder: holder.deviceId }), leaseMs, isTaken }
}
