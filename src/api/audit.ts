// The audit file of a node: all logs that it holds, whole, and what it makes of the sessions in them, streamed as fast as it is
// taken. What is in it is settled when it begins; what comes in meanwhile is left for the next.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { SessionSaid } from '../audit/format.ts'
import { ownDue } from '../audit/reckoning.ts'
import { type AuditContents, auditBytes, cutElements } from '../audit/stream.ts'
import type { TariffAt } from '../billing/due.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { ISSUED_BY_ROOT } from '../identity/certificate.ts'
import type { Roster } from '../identity/roster.ts'
import type { ObjectSigner } from '../log/object.ts'
import type { Node } from '../node.ts'
import type { Clock } from '../ports.ts'
import type { Session } from '../session/fold.ts'
import { timesOf } from '../session/times.ts'
import { SW_VERSION } from '../version.ts'

export type AuditDeps = {
  readonly node: Node
  readonly roster: Roster
  readonly name: string
  readonly siteName: string
  readonly clock: Clock
  /** The node's own log key, under its newest certificate. */
  readonly signer: () => ObjectSigner
}

const instant = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number)
export const RANGE = z.strictObject({ from: instant.optional(), to: instant.optional() })
export type Range = z.infer<typeof RANGE>

export const AUDIT_TYPE = 'application/octet-stream'

export function addAudit(server: FastifyInstance, deps: AuditDeps): void {
  let isRunning = false
  server.get('/v1/audit', async (request, reply) => {
    const range = check('query', RANGE, request.query)
    if (isRunning)
      throw new MeshError(
        'CONFIG_INVALID',
        'another audit export of this node is running; try again behind it',
      )
    const stream = Readable.from(auditBytes(contentsOf(deps, range), deps.signer()))
    isRunning = true
    stream.once('close', () => {
      isRunning = false
    })
    return await reply.type(AUDIT_TYPE).send(stream)
  })
}

function contentsOf({ node, roster, name, siteName, clock }: AuditDeps, { from, to }: Range): AuditContents {
  const { logs, objects, view } = node.ledger()
  // Logs only grow at their ends: the lists and their lengths now are what is told. Of one that was let go of (PROTOCOL 1.11) there
  // are holes behind its first event, and the cloud's ack stands for the rest.
  const held = [...logs.all()].map(({ logId, elements, fork }) => {
    const hole = elements.findIndex(element => !element)
    return { logId, fork, elements, length: hole < 0 ? elements.length : hole }
  })
  const { sessions, tariffs } = view()
  // Folds forget half a minute later than logs: what no event in this file tells of is not in it.
  const all = sessions().filter(({ start: { ref } }) => ref.seq >= (logs.get(ref.logId)?.base ?? 0))
  return {
    header: {
      ...{ siteId: roster.siteId, rootKey: roster.rootKey, siteName, source: 'node', madeBy: name },
      ...{ madeAt: clock.wallMs(), swVersion: SW_VERSION },
      events: held.reduce((sum, log) => sum + log.length, 0),
      ...(from !== undefined && { fromAt: from }),
      ...(to !== undefined && { toAt: to }),
    },
    certificates: roster
      .all()
      .toSorted((a, b) => Number(b.issuedBy === ISSUED_BY_ROOT) - Number(a.issuedBy === ISSUED_BY_ROOT))
      .map(one => one.encoded),
    segments: (function* () {
      for (const { logId, elements, length } of held) yield* cutElements(logId, 0, elements.slice(0, length))
    })(),
    forks: held.flatMap(({ fork }) => (fork ? [fork.evidence] : [])),
    objects: [...objects.all()].flatMap(({ object }) => (object.kind === 'uplink' ? [] : [object.encoded])),
    sessions: saidOf(all, tariffs.at, { from, to }),
    bills: [],
  }
}

function* saidOf(
  sessions: readonly Session[],
  tariffAt: TariffAt,
  { from = 0, to = Number.POSITIVE_INFINITY }: { from: number | undefined; to: number | undefined },
): Generator<SessionSaid, void, void> {
  for (const session of sessions) {
    const { at } = timesOf(session).startedAt
    if (at < from || at >= to) continue
    yield sessionSaid(session, tariffAt)
  }
}

function sessionSaid(session: Session, tariffAt: TariffAt): SessionSaid {
  const { sessionId, energyWh } = session
  return { sessionId, ...(energyWh !== undefined && { energyWh }), ...ownDue(session, tariffAt) }
}
