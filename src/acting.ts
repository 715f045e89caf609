// What an input may use while it is decided: the ledger, the time, and the ways to add to the ledger. node.ts makes one
// for each input, and what was added waits there until it is durable.
import type { Certificate } from './identity/certificate.ts'
import type { Signatures } from './identity/signature.ts'
import type { Submission, SubmissionReport } from './input.ts'
import type { Ledger, Times } from './ledger.ts'
import type { AnyBody } from './log/body.ts'
import { type Statement, signObject } from './log/object.ts'
import type { Marks } from './marks.ts'
import type { Mesh } from './mesh.ts'
import type { Clock, Logger } from './ports.ts'
import type { Send } from './replica/sends.ts'

export type Acting = {
  readonly ledger: Ledger
  readonly times: Times
  /** Writes events of our own. */
  readonly record: (bodies: readonly AnyBody[]) => void
  /** Signs a statement, keeps it and spreads it. */
  readonly state: (statement: Statement) => readonly Send[]
  /** Takes signed statements from elsewhere; what is refused is counted and logged. */
  readonly learn: (encoded: readonly Uint8Array[]) => Learned
  /** Takes what operators have written, through the gate, and spreads it. */
  readonly submit: (submission: Submission) => Submitted
  /** Runs when everything decided with this input is durable; never, when that fails. */
  readonly afterwards: (run: () => void) => void
}

export type Learned = { readonly sends: readonly Send[]; readonly refused: number }

export type Submitted = { readonly report: SubmissionReport; readonly sends: readonly Send[] }

export type ActingDeps = {
  readonly certificate: Certificate
  readonly logKey: Uint8Array
  readonly signatures: Signatures
  readonly clock: Clock
  readonly logger: Logger
}

type Held = {
  readonly ledger: Ledger
  readonly mesh: Mesh
  readonly marks: Marks
  readonly afterwards: (run: () => void) => void
}

export function createActing(
  deps: ActingDeps,
  { ledger, mesh, marks, afterwards }: Held,
  count: (name: string, by?: number) => void,
): Acting {
  const times = { wallMs: deps.clock.wallMs(), monotonicMs: deps.clock.monotonicMs() }
  const learn = (encoded: readonly Uint8Array[]): Learned => {
    let refused = 0
    const news = encoded.flatMap(object => {
      const verdict = ledger.admitObject(object)
      if (verdict.kind === 'refused') {
        refused += 1
        count(`object.${verdict.reason}`)
        deps.logger.warn('a signed statement was refused', { reason: verdict.reason })
      }
      return verdict.kind === 'valid' && verdict.news ? [verdict.object] : []
    })
    return { sends: mesh.learned(news), refused }
  }
  const acting: Acting = {
    ledger,
    times,
    learn,
    submit: submission => mesh.submit(acting, submission),
    afterwards,
    record: bodies => {
      for (const event of ledger.write(bodies, times)) marks.note(event)
    },
    state: statement => {
      const { signatures, logKey, certificate } = deps
      return learn([signObject({ certHash: certificate.hash, logKey, signatures }, statement)]).sends
    },
  }
  return acting
}
