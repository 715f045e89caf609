// Signed meter values of one session, still sealed to the operator: this node cannot read them either.
import type { FastifyInstance } from 'fastify'
import { MeshError } from '../errors.ts'
import { utf8Bytes } from '../identity/hash.ts'
import { decodeBody, TYPE_NUMBERS } from '../log/body.ts'
import { decodeElement } from '../log/event.ts'
import type { Session } from '../session/fold.ts'
import { unhex } from '../units.ts'
import { nameOf, type ReportDeps } from './report.ts'

export type SignedValue = {
  /** Place in the logs. */
  readonly event: string
  readonly node: string
  readonly sampledAt: string
  /** Base64 of the box. */
  readonly sealed: string
}

export type SignedReport = {
  readonly sessionId: string
  readonly chargerId: string
  /** Of the card, whose account the values may be sealed to. */
  readonly tokenRef?: string
  readonly meterStartWh: number
  readonly meterStopWh?: number
  /** In the order in which they were recorded; the same one twice where two nodes heard it. */
  readonly values: readonly SignedValue[]
}

type Route = { readonly Params: { readonly id: string } }

export function addSignedValues(server: FastifyInstance, deps: ReportDeps): void {
  server.get<Route>('/v1/sessions/:id/signed', async request => {
    const session = deps.node
      .ledger()
      .view()
      .sessions()
      .find(({ sessionId }) => sessionId === request.params.id)
    if (!session)
      throw new MeshError('CONFIG_INVALID', 'this node knows no such session; `sessions` names them')
    return await reportSigned(deps, session)
  })
}

/** Looked at before chargers have their turn again: a site that runs for months has millions of events. */
const AT_ONCE = 2000

/** Looks through the ticks of all logs; a body is read only where its bytes hold the session's id or its charger's. */
export async function reportSigned({ node, roster }: ReportDeps, session: Session): Promise<SignedReport> {
  const { chargerId, start, end, starts, transactionIds } = session
  const ids = new Set(starts.map(one => one.body.sessionId))
  const words = [...[...ids].map(unhex), utf8Bytes(chargerId)].map(word => Buffer.from(word))
  const found: (SignedValue & { readonly hlc: bigint })[] = []
  let looked = 0
  for (const { logId, elements, certificate } of node.ledger().logs.all()) {
    for (const [seq, bytes] of elements.entries()) {
      looked += 1
      if (looked % AT_ONCE === 0) await new Promise(resolve => setImmediate(resolve))
      // Of a pruned log nothing is held between its first event and its last.
      if (bytes?.[TYPE_BYTE] !== TYPE_NUMBERS.meter_tick || !words.some(word => holds(bytes, word))) continue
      const element = decodeElement(bytes)
      const said = typeof element === 'string' ? undefined : decodeBody(element.type, element.body)
      if (typeof element === 'string' || said?.name !== 'meter_tick' || !said.body.signedSealed) continue
      const { sessionId, transactionId, sampledAt, signedSealed } = said.body
      const isNamed = said.body.chargerId === chargerId && transactionIds.includes(transactionId)
      if (sessionId ? !ids.has(sessionId) : !isNamed) continue
      found.push({
        ...{ event: `${logId}/${seq}`, node: nameOf(roster, certificate.deviceId), hlc: element.hlc },
        ...{ sampledAt: sampledAt.raw, sealed: Buffer.from(signedSealed).toString('base64') },
      })
    }
  }
  const inOrder = found.toSorted((a, b) =>
    a.hlc < b.hlc ? -1 : a.hlc > b.hlc ? 1 : a.event < b.event ? -1 : 1,
  )
  return {
    ...{ sessionId: session.sessionId, chargerId, meterStartWh: start.body.meterStartWh },
    tokenRef: session.tokenRef,
    ...(end && { meterStopWh: end.body.meterStopWh }),
    values: inOrder.map(({ hlc: _, ...value }) => value),
  }
}

/** Of an element, by log/event.ts. */
const TYPE_BYTE = 1

function holds(bytes: Uint8Array, word: Buffer): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(word)
}
