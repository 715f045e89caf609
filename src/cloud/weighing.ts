// From where on a device's logs do not count: what the database holds of epochs, revocations, the root's words and
// certificates, weighed in layers, and written down as exclusions where that changes.
import { type Epoch, limitsOf, type Revoked } from '../authorization/devices.ts'
import { fromBytes, listOf } from '../cbor.ts'
import { type Certificate, ISSUED_BY_ROOT } from '../identity/certificate.ts'
import type { Signatures } from '../identity/signature.ts'
import { decodeBody, EVENT_REF, TYPE_NUMBERS } from '../log/body.ts'
import { decodeElement } from '../log/event.ts'
import { type CertHash, type DeviceId, type LogId, type SiteId, unhex } from '../units.ts'
import type { CertificateStore } from './certificates.ts'
import type { Row, Sql } from './database.ts'
import { countsIn, type Excluded, exclude, spokenOf } from './exclusion.ts'
import { bytesIn, intIn, optionalIntIn, optionalTextIn, textIn } from './rows.ts'
import type { Touched } from './sessions.ts'

export const CUTOFF = listOf(EVENT_REF, 64)
/** In the place of a log: the root's words stand in its manifest. */
export const ROOT = 'root'
const NEVER = Number.POSITIVE_INFINITY

export type Weighing = {
  readonly sql: Sql
  readonly siteId: SiteId
  readonly certificates: CertificateStore
  readonly signatures: Signatures
}

export type Revocation = Revoked & { readonly deviceId: DeviceId }

export function isOperator({ roles }: Certificate): boolean {
  return roles.includes('issuer') || roles.includes('revoker')
}

/** An issuer that the root did not certify can certify nobody. */
export function mayVouch({ roles, issuedBy }: Certificate): boolean {
  return roles.includes('issuer') && issuedBy === ISSUED_BY_ROOT
}

/** Rows of logs with the certificates that these were written under. */
export async function authorsIn(
  { sql, certificates }: Weighing,
  rows: readonly Row[],
): Promise<readonly (readonly [Row, Certificate])[]> {
  const { roster } = certificates
  const hashOf = (row: Row): CertHash => textIn<CertHash>(row, 'cert_hash')
  // Another receiver may have learned it.
  if (rows.some(row => !roster.certificate(hashOf(row)))) await certificates.reload(sql)
  return rows.flatMap(row => {
    const certificate = roster.certificate(hashOf(row))
    return certificate ? [[row, certificate] as const] : []
  })
}

/** Each hangs on the words of those before it alone, so one round is enough. */
const LAYERS: readonly ((certificate: Certificate) => boolean)[] = [
  certificate => isOperator(certificate) && certificate.issuedBy === ISSUED_BY_ROOT,
  certificate => isOperator(certificate) && certificate.issuedBy !== ISSUED_BY_ROOT,
  certificate => !isOperator(certificate),
]
type Changed = Excluded & { readonly certificate: Certificate }

/** From where on the logs of these devices do not count; answers what those speak of of which that changed. */
export async function weigh(
  on: Weighing,
  named: ReadonlySet<DeviceId>,
  before: readonly Excluded[] = [],
): Promise<Touched> {
  const devices = new Set(named)
  const excluded = [...before]
  for (const isMeant of LAYERS) {
    const changed = devices.size > 0 ? await weighLayer(on, [...devices], isMeant) : []
    excluded.push(...changed)
    for (const deviceId of await namedIn(on, changed)) devices.add(deviceId)
  }
  return spokenOf(on.sql, on.siteId, excluded)
}

/** The devices of which operators speak there. */
export async function namedIn(on: Weighing, changed: readonly Changed[]): Promise<readonly DeviceId[]> {
  const { sql, siteId, certificates } = on
  const named: DeviceId[] = []
  for (const { logId, fromSeq, certificate } of changed) {
    if (!isOperator(certificate)) continue
    const behind = [siteId, logId, fromSeq]
    const revoked = await sql(
      'SELECT DISTINCT device_id FROM revocations WHERE site_id = $1 AND log_id = $2 AND seq >= $3',
      behind,
    )
    named.push(...revoked.rows.map(row => textIn<DeviceId>(row, 'device_id')))
    if (!mayVouch(certificate)) continue
    const vouching = await sql(
      `SELECT element FROM events
       WHERE site_id = $1 AND log_id = $2 AND seq >= $3 AND type = ${TYPE_NUMBERS.device_cert}`,
      behind,
    )
    named.push(...vouching.rows.flatMap(row => namedBy(certificates, row) ?? []).map(one => one.deviceId))
  }
  return named
}

/** The certificate in the event of a row. */
function namedBy({ roster }: CertificateStore, row: Row): Certificate | undefined {
  const element = decodeElement(bytesIn(row, 'element'))
  const said = typeof element === 'string' ? undefined : decodeBody(element.type, element.body)
  const verdict = said?.name === 'device_cert' ? roster.enrol(said.body.certificate) : undefined
  return verdict?.kind === 'valid' ? verdict.certificate : undefined
}

type Weighed = Epoch & {
  readonly deviceId: DeviceId
  readonly certificate: Certificate
  readonly revokedFrom: number
  readonly orphanFrom: number
}

async function weighLayer(
  on: Weighing,
  devices: readonly DeviceId[],
  isMeant: (certificate: Certificate) => boolean,
): Promise<readonly Changed[]> {
  const { sql, siteId, certificates } = on
  const all = await epochsOf(on, devices)
  const epochs = all.filter(({ certificate }) => isMeant(certificate))
  if (epochs.length === 0) return []
  const issuers = epochs.flatMap(one => certificates.roster.certificate(one.certificate.issuedBy) ?? [])
  const revoked = await revocationsOf(on, [...devices, ...issuers.map(one => one.deviceId)])
  const limits = limitsIn(all, revoked)
  const orphans = await orphansAmong(on, epochs, revoked)
  const changed: Changed[] = []
  for (const { logId, certificate, revokedFrom, orphanFrom } of epochs) {
    for (const [reason, before, fromSeq] of [
      ['revoked', revokedFrom, limits.get(logId) ?? NEVER],
      ['orphan', orphanFrom, orphans.has(certificate.hash) ? 0 : NEVER],
    ] as const)
      if (before !== fromSeq)
        changed.push({ ...(await exclude(sql, siteId, { logId, reason, before, fromSeq })), certificate })
  }
  return changed
}

async function epochsOf(on: Weighing, devices: readonly DeviceId[]): Promise<readonly Weighed[]> {
  const excludedFor = (reason: string, name: string): string => `LEFT JOIN exclusions ${name}
    ON ${name}.site_id = d.site_id AND ${name}.log_id = d.log_id AND ${name}.reason = '${reason}'`
  const found = await on.sql(
    `SELECT d.device_id, d.log_id, d.serial, d.prev_log, d.prev_seq, h.cert_hash, r.from_seq AS revoked, o.from_seq AS orphan
     FROM device_epochs d
     JOIN log_head h ON h.site_id = d.site_id AND h.log_id = d.log_id
     ${excludedFor('revoked', 'r')} ${excludedFor('orphan', 'o')} ${excludedFor('fork', 'f')} AND f.from_seq = 0
     WHERE d.site_id = $1 AND d.device_id = ANY($2::text[]) AND f.log_id IS NULL ORDER BY d.log_id`,
    [on.siteId, devices],
  )
  return (await authorsIn(on, found.rows)).map(([row, certificate]) => ({
    deviceId: textIn<DeviceId>(row, 'device_id'),
    logId: textIn<LogId>(row, 'log_id'),
    serial: intIn(row, 'serial'),
    prev: prevIn(row),
    certificate,
    revokedFrom: optionalIntIn(row, 'revoked') ?? NEVER,
    orphanFrom: optionalIntIn(row, 'orphan') ?? NEVER,
  }))
}

function prevIn(row: Row): Epoch['prev'] {
  const [logId, seq] = [optionalTextIn<LogId>(row, 'prev_log'), optionalIntIn(row, 'prev_seq')]
  return logId === undefined || seq === undefined ? undefined : { logId, seq }
}

type Counted = Revocation & { readonly isRoots: boolean }

async function revocationsOf(on: Weighing, devices: readonly DeviceId[]): Promise<readonly Counted[]> {
  const found = await on.sql(
    `SELECT r.device_id, r.log_id, r.serial, r.cutoff FROM revocations r
     WHERE r.site_id = $1 AND r.device_id = ANY($2::text[]) AND ${countsIn('r')}`,
    [on.siteId, devices],
  )
  return found.rows.map(row => ({
    deviceId: textIn<DeviceId>(row, 'device_id'),
    serial: intIn(row, 'serial'),
    cutoff: fromBytes(CUTOFF, unhex(textIn(row, 'cutoff'))),
    isRoots: textIn(row, 'log_id') === ROOT,
  }))
}

/** The root speaks of operators, operators of everybody else. */
function limitsIn(epochs: readonly Weighed[], revoked: readonly Counted[]): ReadonlyMap<LogId, number> {
  const limits = new Map<LogId, number>()
  for (const deviceId of new Set(epochs.map(epoch => epoch.deviceId))) {
    for (const isRoots of [true, false]) {
      const own = epochs.filter(one => one.deviceId === deviceId && isOperator(one.certificate) === isRoots)
      const meant = revoked.filter(one => one.deviceId === deviceId && one.isRoots === isRoots)
      for (const [logId, limit] of limitsOf(own, meant)) limits.set(logId, limit)
    }
  }
  return limits
}

/** Certificates of a withdrawn issuer that nothing names that still counts of an issuer's log. */
async function orphansAmong(
  on: Weighing,
  epochs: readonly Weighed[],
  revoked: readonly Counted[],
): Promise<ReadonlySet<CertHash>> {
  const { roster } = on.certificates
  const isWithdrawn = (issuer: Certificate | undefined): boolean =>
    revoked.some(
      one => one.isRoots && one.deviceId === issuer?.deviceId && (issuer?.serial ?? 0) <= one.serial,
    )
  const suspects = new Set(
    epochs
      .filter(({ certificate }) => isWithdrawn(roster.certificate(certificate.issuedBy)))
      .map(({ certificate }) => certificate.hash),
  )
  if (suspects.size === 0) return suspects
  const vouching = await on.sql(
    `SELECT e.element, h.cert_hash FROM events e
     JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id
     WHERE e.site_id = $1 AND e.type = ${TYPE_NUMBERS.device_cert} AND ${countsIn('e')}`,
    [on.siteId],
  )
  for (const [row, author] of await authorsIn(on, vouching.rows)) {
    const named = mayVouch(author) ? namedBy(on.certificates, row) : undefined
    if (named) suspects.delete(named.hash)
  }
  return suspects
}
