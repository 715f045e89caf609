// What a world shows of itself while it runs: to the checkers, which may object, and to the tally, which counts.
import type { Node } from '../../src/node.ts'
import type {
  ChargerAnswer,
  ChargerCommand,
  ChargerInput,
  CommandOutcome,
  Push,
  PushAnswer,
} from '../../src/ports.ts'
import type { ChargerId, DeviceId, LogId } from '../../src/units.ts'
import type { CloudHead, SimulatedCloud } from '../cloud/cloud.ts'
import type { SimulatedDisk } from '../disk/disk.ts'
import type { SimulatedNetwork } from '../network/network.ts'
import type { FaultStep, Plan } from '../plan.ts'
import type { Station } from '../station/station.ts'
import type { Operator } from './operator.ts'
import type { Credential, SimulatedSite } from './site.ts'

/** One live or dead copy of a node. A clone has the number and the credential of the node that it was copied from. */
export type Member = {
  readonly number: number
  readonly name: string
  readonly deviceId: DeviceId
  readonly credential: Credential
  readonly isHonest: boolean
  readonly isClone: boolean
  readonly disk: SimulatedDisk
  /** Undefined while it is down or not yet up. */
  readonly node: () => Node | undefined
  /** Grows with every boot. */
  readonly life: () => number
  /** Its wall clock minus the true time. */
  readonly clockErrorMs: () => number
}

export type ShownCloud = SimulatedCloud & {
  /** What is committed, as of the last push. */
  readonly headsNow: () => ReadonlyMap<LogId, CloudHead>
}

export type Shown = {
  readonly plan: Plan
  readonly site: SimulatedSite
  readonly operator: Operator
  readonly cloud: ShownCloud
  readonly network: SimulatedNetwork
  /** Nodes by number, then the clones that live now. */
  readonly members: () => readonly Member[]
  readonly stations: readonly Station[]
  readonly nowMs: () => number
  /** The faults are over. */
  readonly isCalm: () => boolean
  readonly object: (invariant: string, detail: string) => void
}

export type Commanded = {
  readonly chargerId: ChargerId
  readonly command: ChargerCommand
  readonly outcome: CommandOutcome
}

export type Gone = 'killed' | 'power-cut' | 'wiped' | 'restored' | 'disposed'

export type Observer = {
  readonly name: string
  /** This node took an input or a tick, and everything that came of it is done. */
  readonly stepped?: (member: Member) => void
  /** Just before the bytes leave. */
  readonly sending?: (member: Member, to: DeviceId, bytes: Uint8Array) => void
  /** Just before a push leaves for the cloud. */
  readonly pushing?: (member: Member, push: Push, way: string) => void
  /** What the cloud answers, as it means it: what is lost or changed on the way is not seen here. */
  readonly receipted?: (answer: PushAnswer) => void
  /** It will have nothing to do with this peer for a while. */
  readonly banning?: (member: Member, peer: DeviceId, reason: string) => void
  /** A charger's message is at the node's door. */
  readonly asked?: (member: Member, input: ChargerInput) => void
  /** Just before a charger hears it. */
  readonly answered?: (member: Member, input: ChargerInput, answer: ChargerAnswer) => void
  /** Just before a charger is asked to do something. */
  readonly commanding?: (member: Member, chargerId: ChargerId, command: ChargerCommand) => void
  /** What a charger made of a command, when it made it. */
  readonly commanded?: (member: Member, command: Commanded) => void
  readonly booted?: (member: Member) => void
  /** Before its disk is touched. */
  readonly leaving?: (member: Member, how: Gone) => void
  readonly gone?: (member: Member, how: Gone) => void
  readonly injected?: (fault: FaultStep) => void
  /** Each virtual second. */
  readonly second?: () => void
  readonly calmed?: () => void
  /** In the quiet time: what is still missing, or undefined. Asked about once a second. */
  readonly awaits?: () => string | undefined
  /** At the end; may still object. */
  readonly finished?: () => void | Promise<void>
}
