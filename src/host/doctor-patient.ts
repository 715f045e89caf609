// What the doctor's examinations are given, and what they answer.
import type { Client } from '../api/client.ts'
import type { HostPort, NodeConfig } from '../config.ts'
import type { Ledger } from '../ledger.ts'
import type { JournalScan } from '../store/journal.ts'
import type { ShownReport } from './charger-tls.ts'
import type { IdentityFile } from './identity-files.ts'
import type { Trouble } from './validity.ts'

export const DOCTOR_LAYERS = [
  'settings',
  'address',
  'multicast',
  'clock',
  'key',
  'certificate',
  'chargers',
  'store',
  'uplink',
] as const
export type Layer = (typeof DOCTOR_LAYERS)[number]

export type Diagnosis = {
  readonly layer: Layer
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly says: string
}

/** `fine` is said when there is no trouble. */
export type Finding = { readonly fine: string; readonly troubles: readonly Trouble[] }
export type Examination = (patient: Patient) => Promise<Finding>

/** Of what the operator's plane answers, the part that the doctor looks at. */
export type RunningStatus = {
  readonly peers: readonly string[]
  readonly store: { readonly store: string; readonly storeReason?: string; readonly recovered: string }
  readonly documents?: string
  readonly ocpp?: { readonly tls?: ShownReport }
  readonly network?: { readonly lastRefusal?: string }
}

/** How a request to the cloud ended. `dateAt`: by the cloud's clock, UTC ms. */
export type UplinkProbe = {
  readonly name: string
  readonly url: string
  readonly fault?: string
  readonly dateAt?: number
}

/** The store of a stopped node, read and not touched. */
export type StoreReading = {
  readonly scan: JournalScan
  readonly ledger: Ledger
}

export type Patient = {
  readonly dir: string
  readonly nowAt: number
  /** Undefined when node.yaml cannot be used. */
  readonly config: NodeConfig | undefined
  /** Words when it cannot be read. */
  readonly identity: IdentityFile | string
  readonly running: { readonly client: Client; readonly status: RunningStatus } | undefined
  /** Words when there is no reading; undefined when the node runs. */
  readonly store:
    | { readonly value?: StoreReading | undefined; readonly fault?: string | undefined }
    | undefined
  readonly uplinks: readonly UplinkProbe[] | string
  /** Where peers answered before; words when the file cannot be read. */
  readonly remembered: readonly HostPort[] | string
}

export const NOT_CHECKED: Finding = {
  fine: '',
  troubles: [{ verdict: 'warn', says: 'not checked: mend what is above first' }],
}

export function trouble(verdict: Trouble['verdict'], says: string): Trouble {
  return { verdict, says }
}

/** In the largest unit that is whole enough to speak of. */
export function spanOf(ms: number): string {
  const s = Math.abs(ms) / 1000
  if (s < 120) return `${Math.round(s)} s`
  if (s < 7200) return `${Math.round(s / 60)} min`
  return s < 172_800 ? `${Math.round(s / 3600)} hours` : `${Math.round(s / 86_400)} days`
}
