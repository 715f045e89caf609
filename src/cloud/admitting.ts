// All segments of a push through the gate, in their order, before anything is written: what each log gains, and a word of
// refusal for every log that cannot go on, so that one bad log never costs the rest of the batch.
import type { Roster } from '../identity/roster.ts'
import type { Signatures } from '../identity/signature.ts'
import { type AnyBody, decodeBody } from '../log/body.ts'
import type { Segment } from '../ports.ts'
import type { Remember } from '../remember.ts'
import { type Admission, admit, type Held } from '../replica/admit.ts'
import type { CertHash, LogId } from '../units.ts'
import type { HeldLogs } from './held.ts'

export type Admitted = Extract<Admission, { kind: 'admitted' }>
/** A segment's news, and what its events say. */
export type Said = { readonly admission: Admitted; readonly said: readonly (AnyBody | undefined)[] }
export type Step =
  | ({ readonly kind: 'admitted' } & Said)
  | {
      readonly kind: 'fork'
      readonly segment: Segment
      readonly fork: Extract<Admission, { kind: 'fork' }>
      readonly certificate: Held['certificate']
    }

export type Refusal = {
  readonly reason: string
  readonly fromSeq: number
  /** It may be known when more was read. */
  readonly certHash?: CertHash
}

export type Taken = {
  readonly steps: readonly Step[]
  /** Each log once, with the first reason. */
  readonly refused: ReadonlyMap<LogId, Refusal>
}

export type Gate = {
  readonly roster: Roster
  readonly signatures: Signatures
  readonly remember: Remember
}

export function admitAll(gate: Gate, segments: readonly Segment[], held: HeldLogs): Taken {
  const steps: Step[] = []
  const refused = new Map<LogId, Refusal>()
  const waiting = take(gate, segments, { held, steps, refused })
  // An issuer's log later in the batch may have enrolled what these were written under.
  if (waiting.length > 0 && waiting.length < segments.length) {
    for (const { logId } of waiting) refused.delete(logId)
    take(gate, waiting, { held, steps, refused })
  }
  return { steps, refused }
}

type Taking = {
  readonly held: HeldLogs
  readonly steps: Step[]
  readonly refused: Map<LogId, Refusal>
}

/** Answers the segments of logs whose certificate was unknown. */
function take(
  gate: Gate,
  segments: readonly Segment[],
  { held, steps, refused }: Taking,
): readonly Segment[] {
  const waiting: Segment[] = []
  for (const segment of segments) {
    const { logId, fromSeq } = segment
    const before = refused.get(logId)
    if (before?.certHash) waiting.push(segment)
    if (before) continue
    const known = held.of(logId)
    const admission = known && 'kind' in known ? known : admit(gate, segment, known)
    const refusal = refusalOf(admission)
    if (refusal) refused.set(logId, { ...refusal, fromSeq })
    if (refusal?.certHash) waiting.push(segment)
    if (admission.kind === 'fork' && known && !('kind' in known))
      steps.push({ kind: 'fork', segment, fork: admission, certificate: known.certificate })
    if (admission.kind !== 'admitted') continue
    held.moveOn(admission)
    const said = admission.events.map(event =>
      gate.remember('body', event, () => decodeBody(event.type, event.body)),
    )
    steps.push({ kind: 'admitted', admission, said })
    if (!admission.certificate.roles.includes('issuer')) continue
    // The devices named there may be pushed from now on.
    for (const body of said) if (body?.name === 'device_cert') gate.roster.enrol(body.body.certificate)
  }
  return waiting
}

function refusalOf(admission: Admission): Omit<Refusal, 'fromSeq'> | undefined {
  switch (admission.kind) {
    case 'admitted':
    case 'duplicate':
      return undefined
    case 'gap':
      return { reason: 'gap' }
    case 'fork':
      return { reason: `fork at ${admission.seq}` }
    case 'unknown-certificate': {
      const { certHash } = admission
      return { reason: `unknown-certificate ${certHash}`, certHash }
    }
    case 'invalid':
      return { reason: admission.reason }
  }
}
