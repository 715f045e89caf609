// One card, as a ledger knows it: its grant, each revocation with who said it and why, and what would be decided. Field
// names are part of the interface; they only grow.
import type { Grant, Policy, Revocation } from '../authorization/policy.ts'
import { wallOf } from '../log/hlc.ts'
import type { Node } from '../node.ts'
import type { TokenRef } from '../units.ts'
import { isoOf } from './report.ts'

export type Verdict = { readonly allowed: string; readonly reason: string }
type Ledger = ReturnType<Node['ledger']>

export type CardReport = {
  readonly card: string
  readonly state: ReturnType<Policy['token']>['kind']
  readonly grant?: GrantReport
  readonly revocations: readonly RevocationReport[]
  /** What would be decided now at the charger that was asked for. */
  readonly decision?: Verdict & { readonly charger: string }
}

export type GrantReport = {
  readonly version: string
  readonly by: string
  readonly grantedAt: string
  /** For `forget`. */
  readonly account: string
  readonly from: string
  readonly until: string
  readonly class: string
  readonly whitelist: string
  readonly zones: readonly string[]
  readonly connectorTypes: readonly string[]
  readonly maxPowerW?: number
  /** Without hearing of the operator it is taken for so long. */
  readonly maxAgeS: number
  readonly capWhPerDay?: number
  readonly maxSessionsPerDay?: number
}

export type RevocationReport = {
  readonly version: string
  readonly by: string
  readonly at: string
  readonly reason: string
  /** A grant that counts cites it. */
  readonly undone: boolean
}

export function reportCard(
  ledger: Ledger,
  tokenRefs: readonly TokenRef[],
  decision?: CardReport['decision'],
): CardReport {
  const { policy } = ledger.view()
  const state = policy.tokenOf(tokenRefs)
  const grant = state.kind === 'unknown' ? undefined : state.grant
  const revocations = tokenRefs.flatMap(policy.revocations).toSorted((a, b) => (a.hlc < b.hlc ? -1 : 1))
  return {
    card: grant?.body.visualNumber ?? `card ${policy.namedBy(tokenRefs).slice(0, 8)}`,
    state: state.kind,
    ...(grant && { grant: grantReport(ledger, grant) }),
    revocations: revocations.map(one => ({
      ...placed(ledger, one),
      at: isoOf(wallOf(one.hlc)),
      reason: one.body.reason,
      undone: state.kind === 'granted',
    })),
    ...(decision && { decision }),
  }
}

function grantReport(ledger: Ledger, grant: Grant): GrantReport {
  const { body } = grant
  const { maxAgeS, maxWhPerDay, maxSessionsPerDay } = body.offline
  const { zones, connectorTypes, maxPowerW } = body.scope
  return {
    ...placed(ledger, grant),
    grantedAt: isoOf(wallOf(grant.hlc)),
    account: body.accountRef,
    from: isoOf(body.notBeforeAt),
    until: isoOf(body.notAfterAt),
    class: body.class,
    whitelist: body.whitelist,
    zones,
    connectorTypes,
    ...(maxPowerW !== undefined && { maxPowerW }),
    maxAgeS,
    ...(maxWhPerDay !== undefined && { capWhPerDay: maxWhPerDay }),
    ...(maxSessionsPerDay !== undefined && { maxSessionsPerDay }),
  }
}

/** Where it stands, and whose log that is. */
function placed(
  { logs }: Ledger,
  { ref }: Grant | Revocation,
): { readonly version: string; readonly by: string } {
  const version = `${ref.logId.slice(0, 8)}/${ref.seq}`
  return { version, by: logs.get(ref.logId)?.certificate.name ?? 'unknown' }
}
