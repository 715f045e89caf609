// What this node shows to chargers: the site's identity, opened from the operator's log, or what its settings name. Nothing of
// the former is written down here; when the operator renews it, chargers that connect from then on see the new one.
import { X509Certificate } from 'node:crypto'
import type { NodeConfig } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { openSiteKey } from '../identity/site-key.ts'
import { openTlsKeys } from '../identity/tls-keys.ts'
import type { Central } from '../ocpp/central.ts'
import { isLoopback, type TlsMaterial } from '../ocpp/tls-door.ts'
import type { Logger } from '../ports.ts'
import { type DeviceId, unhex } from '../units.ts'
import type { View } from '../view.ts'
import { namesIn } from './certificate-names.ts'
import { type IdentityFile, readText } from './identity-files.ts'
import { address } from './listening.ts'

export type NodeTls = {
  /** What is shown now, the same object for as long as it is the same; undefined where chargers are served in the clear. */
  readonly shown: () => TlsMaterial | undefined
  readonly report: () => ShownReport | undefined
}
export type ShownReport = {
  /** Host names and addresses. */
  readonly names: readonly string[]
  /** UTC ms. */
  readonly notAfterAt: number
  /** This node was given the keys of the newest that the operator has made. */
  readonly isNewest: boolean
}

type TlsNeeds = {
  readonly ocpp: NodeConfig['ocpp']
  readonly identity: IdentityFile
  readonly deviceId: DeviceId
  readonly view: () => View
}

/** Refuses with CONFIG_INVALID where chargers of other machines would have to speak in the clear unasked. */
export async function openNodeTls(needs: TlsNeeds): Promise<NodeTls> {
  const { ocpp } = needs
  const own = await ownPair(ocpp)
  const site = readSiteTls(needs)
  if (!wantsTls(ocpp)) return { shown: () => undefined, report: () => undefined }
  if (!own && !site())
    throw new MeshError(
      'CONFIG_INVALID',
      `ocpp: chargers of other machines need TLS, and this node was given no certificate to show: run \`chargemesh site tls\` in the operator's folder with --via a running node, or set ocpp.tlsKeyFile and ocpp.tlsCertFile, or ocpp.allowInsecure: true on a wired charger VLAN`,
    )
  const isNewest = (): boolean => needs.view().chargerTls.of(needs.deviceId)[0]?.boxes.length !== 0
  if (!own) return { shown: site, report: () => reportOf(site(), isNewest()) }
  let made: { readonly of: TlsMaterial | undefined; readonly material: TlsMaterial } | undefined
  return {
    shown: () => {
      const now = site()
      if (!made || made.of !== now) made = { of: now, material: { ...own, ca: now?.ca ?? [] } }
      return made.material
    },
    report: () => reportOf(own, true),
  }
}

export function wantsTls({ listen, listenTls, tlsKeyFile, allowInsecure }: NodeConfig['ocpp']): boolean {
  const mayBePlain = isLoopback(address(listen).host) || allowInsecure
  return !mayBePlain || listenTls !== undefined || tlsKeyFile !== undefined
}

function reportOf(shown: Pick<TlsMaterial, 'cert'> | undefined, isNewest: boolean): ShownReport | undefined {
  const [first] = shown?.cert ?? []
  if (first === undefined) return undefined
  const certificate = new X509Certificate(first)
  return { names: namesIn(certificate), notAfterAt: Date.parse(certificate.validTo), isNewest }
}

/** To be asked now and then: the operator renews what is shown, and the log has it. */
export function keepShowing(tls: NodeTls, central: Central, logger: Logger): () => void {
  let last = tls.shown()
  return () => {
    const now = tls.shown()
    if (!now || now === last) return
    last = now
    try {
      central.setTls(now)
      logger.info('chargers are shown a new certificate')
    } catch (error) {
      logger.error('the new certificate for chargers cannot be used', { reason: reasonOf(error) })
    }
  }
}

async function ownPair({
  tlsKeyFile,
  tlsCertFile,
}: NodeConfig['ocpp']): Promise<Pick<TlsMaterial, 'key' | 'cert'> | undefined> {
  if (tlsKeyFile === undefined || tlsCertFile === undefined) return undefined
  return {
    key: [await readText(tlsKeyFile, 'ocpp.tlsKeyFile')],
    cert: [await readText(tlsCertFile, 'ocpp.tlsCertFile')],
  }
}

/** The newest identity that this node was given the keys of, and the newest word on whose certificates count. */
function readSiteTls({ identity, deviceId, view }: TlsNeeds): () => TlsMaterial | undefined {
  const self = { deviceId, sealKey: unhex(identity.keys.sealKey) }
  let seen: { readonly of: View['chargerTls']; readonly changes: number } | undefined
  let held: { readonly about: string; readonly material: TlsMaterial } | undefined
  const read = (chargerTls: View['chargerTls']): typeof held => {
    const all = chargerTls.of(deviceId)
    for (const { keyId, said, boxes } of all) {
      const about = `${all[0]?.keyId}/${keyId}`
      if (held?.about === about) return held
      const key = openSiteKey(self, keyId, boxes)
      const keys = key && openTlsKeys(key, said.sealed)
      if (!keys || keys.length !== said.certificates.length) continue
      const vouched = said.vouched ? pemOf('CERTIFICATE', said.vouched) : ''
      const material = {
        key: keys.map(one => pemOf('PRIVATE KEY', one)),
        cert: said.certificates.map(one => `${pemOf('CERTIFICATE', one)}${vouched}`),
        ca: (all[0]?.said.authorities ?? []).map(one => pemOf('CERTIFICATE', one)),
      }
      return { about, material }
    }
    return undefined
  }
  return () => {
    const { chargerTls } = view()
    if (seen?.of !== chargerTls || seen.changes !== chargerTls.changes()) {
      seen = { of: chargerTls, changes: chargerTls.changes() }
      held = read(chargerTls)
    }
    return held?.material
  }
}

function pemOf(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
