// What a node is asked to decide: words of chargers, of peers and of issuers' tools, and work of its own. Each waits in the
// mailbox until its turn comes.
import type { Acting } from './acting.ts'
import type { MeshError } from './errors.ts'
import type { MeshInput } from './mesh.ts'
import type { ChargerAnswer, ChargerInput, Segment } from './ports.ts'
import type { Send } from './replica/sends.ts'

export type Submission = {
  readonly certificates: readonly Uint8Array[]
  readonly segments: readonly Segment[]
  readonly objects: readonly Uint8Array[]
}
export type SubmissionReport = { readonly admitted: number; readonly refused: readonly string[] }

export type Input =
  | {
      readonly kind: 'charger'
      readonly input: ChargerInput
      readonly reply: (answer: ChargerAnswer) => void
    }
  | { readonly kind: 'mesh'; readonly input: MeshInput }
  | {
      readonly kind: 'submit'
      readonly submission: Submission
      readonly reply: (report: SubmissionReport) => void
    }
  | {
      readonly kind: 'run'
      readonly act: (node: Acting) => readonly Send[]
      readonly failed?: (error: MeshError) => void
    }
