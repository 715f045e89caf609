// The tables of the cloud in memory, and what one transaction does to them. Transactions are plain data: those that survived a
// fail-over, done again in their order, give the cloud as it was.
import { FINALISE_AFTER_MS } from '../../src/cloud/finalise.ts'
import { MeshError } from '../../src/errors.ts'
import { ISSUED_BY_ROOT } from '../../src/identity/certificate.ts'
import { readManifest } from '../../src/identity/manifest.ts'
import { createRoster, type Roster } from '../../src/identity/roster.ts'
import type { Signatures } from '../../src/identity/signature.ts'
import { type AnyBody, decodeBody } from '../../src/log/body.ts'
import { encodeElement, type LogEvent } from '../../src/log/event.ts'
import type { SignedObject } from '../../src/log/object.ts'
import type { Admission } from '../../src/replica/admit.ts'
import { createLogs, type Logs } from '../../src/replica/logs.ts'
import type { CertHash, LogId, SessionId } from '../../src/units.ts'
import { type CloudAcks, createAcks } from './acks.ts'
import type { CloudDeps } from './cloud.ts'
import { type CloudDevices, createDevices, isOperator } from './devices.ts'
import { type CloudLedger, createCloudLedger, emptyTouched, type Touched } from './ledger.ts'

type Admitted = Extract<Admission, { kind: 'admitted' }>
export type Step =
  | { readonly kind: 'events'; readonly admission: Admitted }
  | { readonly kind: 'fork'; readonly logId: LogId; readonly seq: number }
export type Commit =
  | { readonly kind: 'certificate'; readonly encoded: Uint8Array }
  /** Of one push, in its order; all that they say is folded once. */
  | { readonly kind: 'push'; readonly steps: readonly Step[] }
  /** A beacon, checked. */
  | { readonly kind: 'statement'; readonly object: SignedObject }
  | { readonly kind: 'finalise' }
export type Committed = { readonly atMs: number; readonly wallAt: number; readonly commit: Commit }

export type Tables = {
  readonly roster: Roster
  readonly signatures: Signatures
  readonly known: Set<CertHash>
  readonly logs: Logs
  readonly devices: CloudDevices
  readonly ledger: CloudLedger
  readonly acks: CloudAcks
}

/** Throws CERTIFICATE_INVALID when the cloud's own certificate is not of this site. */
export function openTables(deps: CloudDeps, cloudEpoch: number): Tables {
  const roster = createRoster({ signatures: deps.signatures }, deps.siteId, deps.rootKey)
  for (const encoded of deps.certificates) roster.enrol(encoded)
  const own = roster.enrol(deps.cloud.certificate)
  if (own.kind === 'refused') throw new MeshError('CERTIFICATE_INVALID', `of the cloud: ${own.reason}`)
  const { hash: certHash } = own.certificate
  const devices = createDevices(roster)
  return {
    ...{
      roster,
      signatures: deps.signatures,
      devices,
      logs: createLogs(),
      known: new Set(roster.all().map(one => one.hash)),
    },
    ledger: createCloudLedger(devices.limitOf),
    acks: createAcks({ certHash, logKey: deps.cloud.logKey, signatures: deps.signatures }, cloudEpoch),
  }
}

export function apply(tables: Tables, { commit, wallAt: nowAt }: Committed): void {
  const { roster, known, ledger } = tables
  const touched = emptyTouched()
  const finalise = new Set<SessionId>()
  switch (commit.kind) {
    case 'certificate': {
      const verdict = roster.enrol(commit.encoded)
      if (verdict.kind === 'valid') known.add(verdict.certificate.hash)
      return
    }
    case 'push':
      for (const step of commit.steps) take(tables, step, touched)
      break
    case 'statement':
      tables.acks.state(commit.object)
      return
    case 'finalise':
      for (const sessionId of ledger.silentSince(nowAt - FINALISE_AFTER_MS)) {
        finalise.add(sessionId)
        touched.sessions.add(sessionId)
      }
  }
  ledger.refold(touched, { nowAt, finalise })
}

/** Into the tables, but for what has to be folded again behind it, which is added to `touched`. */
export function take(tables: Tables, step: Step, touched: Touched): void {
  const { devices, ledger } = tables
  if (step.kind === 'events') applyEvents(tables, step.admission, touched)
  else ledger.withdraw(devices.fork(step.logId, step.seq), touched)
}

/** Elements of operators' logs are kept, for whoever asks; of others nobody does. */
function applyEvents(tables: Tables, admission: Admitted, touched: Touched): void {
  const { logs, devices, ledger, acks } = tables
  const { events, certificate } = admission
  acks.due(logs.append(certificate, events, isOperator(certificate) ? events.map(encodeElement) : []).logId)
  for (const event of events) {
    const said = decodeBody(event.type, event.body)
    ledger.add(event, said, { certificate, touched })
    if (said) note(tables, event, { said, certificate })
  }
  ledger.withdraw(devices.weigh(), touched)
}

type Said = { readonly said: AnyBody; readonly certificate: Admitted['certificate'] }

function note({ roster, signatures, known, devices }: Tables, event: LogEvent, by: Said): void {
  const { said, certificate } = by
  const { logId, hlc } = event
  if (said.name === 'epoch_open') devices.noteEpoch({ logId, certificate, hlc, body: said.body })
  if (said.name === 'device_revoke' && isOperator(certificate)) devices.noteRevocation(event, said.body)
  if (said.name === 'loss_declaration') devices.noteLoss(certificate.deviceId, hlc)
  const read =
    said.name === 'site_manifest' ? readManifest(signatures, roster, said.body.manifest) : undefined
  if (read) devices.noteManifest(read)
  if (said.name !== 'device_cert' || !certificate.roles.includes('issuer')) return
  const verdict = roster.enrol(said.body.certificate)
  if (verdict.kind === 'valid') known.add(verdict.certificate.hash)
  // An issuer that the root did not certify can certify nobody.
  if (certificate.issuedBy === ISSUED_BY_ROOT) devices.noteCertificate(event, said.body.certificate)
}
