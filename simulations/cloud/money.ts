// What the cloud in memory knows of money besides sessions: what issuers decided and refunded, and the tariffs that sessions
// cite. Production has it as SQL (src/cloud/knowing.ts, refolds.ts); what lies beyond an exclusion is as if it were not there.
import { bySaying, type Corrections, type Refund, type Resolution } from '../../src/billing/corrections.ts'
import type { TariffAt } from '../../src/billing/due.ts'
import { foldColumns } from '../../src/cloud/columns.ts'
import type { Certificate } from '../../src/identity/certificate.ts'
import type { AnyBody } from '../../src/log/body.ts'
import type { LogEvent } from '../../src/log/event.ts'
import type { Tariff } from '../../src/tariff/tariffs.ts'
import type { LogId, SessionId } from '../../src/units.ts'
import type { Excluded } from './devices.ts'
import type { Touched } from './ledger.ts'

export type CloudMoney = {
  /** Takes a committed event in; the sessions that it concerns are added to `touched`. */
  readonly add: (
    event: LogEvent,
    said: AnyBody | undefined,
    to: { readonly certificate: Certificate; readonly touched: Touched },
  ) => void
  readonly withdraw: (excluded: readonly Excluded[], touched: Touched) => void
  readonly tariffAt: TariffAt
  readonly correctionsOf: (sessionId: SessionId) => Corrections
}

/** `limitOf`: the first event of a log that does not count. */
export function createMoney(limitOf: (logId: LogId) => number): CloudMoney {
  const tariffs = new Map<string, Tariff>()
  const citing = new Map<string, Set<SessionId>>()
  const resolutions = new Map<SessionId, Resolution[]>()
  const refunds = new Map<SessionId, Refund[]>()
  const counts = ({ ref }: { readonly ref: Tariff['ref'] }): boolean => ref.seq < limitOf(ref.logId)
  const touchCiting = (place: string, touched: Touched): void => {
    for (const sessionId of citing.get(place) ?? []) touched.sessions.add(sessionId)
  }

  return {
    add: (event, said, { certificate, touched }) => {
      const { logId, seq, hash, hlc } = event
      const ref = { logId, seq, hash }
      const { sessionId, cites } = foldColumns(event, said, certificate)
      if (sessionId && cites) citing.set(cites, (citing.get(cites) ?? new Set()).add(sessionId))
      if (!certificate.roles.includes('issuer')) return
      if (said?.name === 'tariff') {
        tariffs.set(`${logId}/${seq}`, { ...said.body, ref, hlc })
        touchCiting(`${logId}/${seq}`, touched)
      }
      if (!sessionId) return
      touched.sessions.add(sessionId)
      if (said?.name === 'resolution') push(resolutions, sessionId, { ref, hlc, body: said.body })
      if (said?.name === 'refund') push(refunds, sessionId, { ref, hlc, body: said.body })
    },
    withdraw: (excluded, touched) => {
      for (const { logId, fromSeq } of excluded) {
        const isMeant = ({ ref }: { readonly ref: Tariff['ref'] }): boolean =>
          ref.logId === logId && ref.seq >= fromSeq
        for (const [place, tariff] of tariffs) if (isMeant(tariff)) touchCiting(place, touched)
        for (const said of [resolutions, refunds])
          for (const [sessionId, words] of said) if (words.some(isMeant)) touched.sessions.add(sessionId)
      }
    },
    tariffAt: ({ logId, seq, hash }) => {
      const tariff = tariffs.get(`${logId}/${seq}`)
      return tariff?.ref.hash === hash && counts(tariff) ? tariff : undefined
    },
    correctionsOf: sessionId => ({
      resolutions: (resolutions.get(sessionId) ?? []).filter(counts).toSorted(bySaying),
      refunds: (refunds.get(sessionId) ?? []).filter(counts).toSorted(bySaying),
    }),
  }
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}
