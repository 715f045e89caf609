// Whose words count, and up to where, as nodes have it (authorization/standing.ts): nodes that the operator revoked,
// operators that the root withdrew, and whoever only a withdrawn issuer vouches for (PROTOCOL 1.7, 2.6). Weighed for the
// devices of which something was said, and for those of which an operator spoke whose words no longer count, or count again.
import { toBytes } from '../cbor.ts'
import type { Certificate } from '../identity/certificate.ts'
import { isNewer, readManifest } from '../identity/manifest.ts'
import type { AnyBody, BodyOf } from '../log/body.ts'
import type { LogEvent } from '../log/event.ts'
import type { Admission } from '../replica/admit.ts'
import { type DeviceId, hex, type LogId } from '../units.ts'
import { excludeFork, type Fork } from './exclusion.ts'
import { revokedNews, tell } from './news.ts'
import { bytesIn } from './rows.ts'
import type { Touched } from './sessions.ts'
import {
  authorsIn,
  CUTOFF,
  isOperator,
  mayVouch,
  namedIn,
  type Revocation,
  ROOT,
  type Weighing,
  weigh,
} from './weighing.ts'

const NOTHING: Touched = { sessions: new Set(), chargers: new Set() }

type Said = {
  readonly admission: Extract<Admission, { kind: 'admitted' }>
  readonly said: readonly (AnyBody | undefined)[]
  readonly nowAt: number
}

/** What events say of devices; answers the sessions that gain or lose evidence by it. */
export async function noteStanding(on: Weighing, { admission, said, nowAt }: Said): Promise<Touched> {
  const { certificate, events } = admission
  const { roster } = on.certificates
  const devices = new Set<DeviceId>()
  const vouching = new Set<DeviceId>()
  let withdrawn: ReadonlySet<DeviceId> = new Set()
  const hear = ({ deviceId, issuedBy }: Certificate): void => {
    devices.add(deviceId)
    vouching.add(roster.certificate(issuedBy)?.deviceId ?? deviceId)
  }
  for (const [i, body] of said.entries()) {
    const event = events[i]
    if (!event || !body) continue
    if (body.name === 'epoch_open') {
      await writeEpoch(on, { logId: event.logId, certificate, body: body.body })
      hear(certificate)
    }
    if (body.name === 'device_revoke' && isOperator(certificate)) {
      await writeRevocation(on, event, body.body)
      const { deviceId, serial } = body.body
      await tell(on.sql, { ...on, nowAt }, [revokedNews(deviceId, serial, event.logId)])
      devices.add(deviceId)
    }
    if (body.name === 'device_cert' && mayVouch(certificate)) {
      const verdict = roster.enrol(body.body.certificate)
      if (verdict.kind === 'valid') hear(verdict.certificate)
    }
    if (body.name === 'site_manifest')
      withdrawn = new Set([...withdrawn, ...(await replaceManifest(on, body.body.manifest, nowAt))])
  }
  for (const deviceId of await concernedBy(on, withdrawn)) devices.add(deviceId)
  if (devices.size === 0) return NOTHING
  const isQuiet = withdrawn.size === 0 && !(await isAnyRevoked(on, [...devices, ...vouching]))
  return isQuiet ? NOTHING : weigh(on, devices)
}

/** Keeps a fork's evidence; answers the sessions that the log, or what an operator said in it, may no longer speak for. */
export async function noteFork(
  on: Weighing,
  certificate: Certificate,
  fork: Omit<Fork, 'deviceId'>,
): Promise<Touched> {
  const { deviceId } = certificate
  const excluded = await excludeFork(on.sql, on.siteId, { ...fork, deviceId })
  if (!excluded) return NOTHING
  const devices = new Set(await namedIn(on, [{ ...excluded, certificate }]))
  // Of two first events neither says which log came before.
  if (excluded.fromSeq === 0) devices.add(certificate.deviceId)
  return weigh(on, devices, [excluded])
}

type Opened = {
  readonly logId: LogId
  readonly certificate: Certificate
  readonly body: BodyOf<'epoch_open'>
}

/** Writes the epoch into its device's chain. */
async function writeEpoch({ sql, siteId }: Weighing, { logId, certificate, body }: Opened): Promise<void> {
  const { prev } = body
  await sql(
    `INSERT INTO device_epochs (site_id, device_id, log_id, serial, prev_log, prev_seq, prev_hash, store_state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
    [
      siteId,
      certificate.deviceId,
      logId,
      certificate.serial,
      prev?.logId ?? null,
      prev?.seq ?? null,
      prev?.hash ?? null,
      body.storeState,
    ],
  )
}

async function writeRevocation(
  { sql, siteId }: Weighing,
  at: Pick<LogEvent, 'seq'> & { readonly logId: string },
  { deviceId, serial, cutoff }: Revocation,
): Promise<void> {
  await sql(
    `INSERT INTO revocations (site_id, device_id, log_id, seq, serial, cutoff) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT DO NOTHING`,
    [siteId, deviceId, at.logId, at.seq, serial, hex(toBytes(CUTOFF, cutoff))],
  )
}

/** Answers the devices of which the root says something else now. */
async function replaceManifest(
  { sql, siteId, certificates, signatures }: Weighing,
  encoded: Uint8Array,
  nowAt: number,
): Promise<readonly DeviceId[]> {
  const read = readManifest(signatures, certificates.roster, encoded)
  if (!read) return []
  // What another receiver was told, or this one before a restart, stands in the database only.
  const held = await sql('SELECT encoded FROM manifests WHERE site_id = $1', [siteId])
  const before =
    held.rows[0] && readManifest(signatures, certificates.roster, bytesIn(held.rows[0], 'encoded'))
  if (!isNewer(read, before)) return []
  await sql(
    `INSERT INTO manifests (site_id, encoded) VALUES ($1, $2)
     ON CONFLICT (site_id) DO UPDATE SET encoded = excluded.encoded`,
    [siteId, encoded],
  )
  await sql('DELETE FROM revocations WHERE site_id = $1 AND log_id = $2', [siteId, ROOT])
  const { withdrawn } = read.manifest
  for (const [seq, one] of withdrawn.entries())
    await writeRevocation({ sql, siteId, certificates, signatures }, { logId: ROOT, seq }, one)
  const known = before?.manifest.withdrawn ?? []
  const isKnown = ({ deviceId, serial }: Revocation): boolean =>
    known.some(one => one.deviceId === deviceId && one.serial === serial)
  const news = withdrawn.filter(one => !isKnown(one)).map(one => revokedNews(one.deviceId, one.serial, ROOT))
  await tell(sql, { siteId, nowAt }, news)
  return [...known, ...withdrawn].map(one => one.deviceId)
}

/** Those themselves, and the devices whose certificates they have signed. */
async function concernedBy(on: Weighing, withdrawn: ReadonlySet<DeviceId>): Promise<readonly DeviceId[]> {
  if (withdrawn.size === 0) return []
  const { roster } = on.certificates
  const held = await on.sql('SELECT DISTINCT cert_hash FROM log_head WHERE site_id = $1', [on.siteId])
  return (await authorsIn(on, held.rows)).flatMap(([, certificate]) => {
    const by = [certificate.deviceId, roster.certificate(certificate.issuedBy)?.deviceId]
    return by.some(deviceId => deviceId && withdrawn.has(deviceId)) ? [certificate.deviceId] : []
  })
}

async function isAnyRevoked({ sql, siteId }: Weighing, devices: readonly DeviceId[]): Promise<boolean> {
  const found = await sql(
    'SELECT 1 AS there FROM revocations WHERE site_id = $1 AND device_id = ANY($2::text[]) LIMIT 1',
    [siteId, devices],
  )
  return found.rows.length > 0
}
