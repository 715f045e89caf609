// What an operator owes the devices of the site, and does with every command that writes: certificates are renewed before
// they end, over the keys that the devices have, and whoever was certified after a key of the site gets that key too. So a
// node asks for nothing, and finds both in the log when it comes back (PROTOCOL 2.6).
import type { Certificate } from '../identity/certificate.ts'
import { boxSiteKey, openSiteKey, siteKeyIdOf } from '../identity/site-key.ts'
import type { AnyBody } from '../log/body.ts'
import { MAX_KEY_BOXES } from '../log/fields.ts'
import { type DeviceId, unhex } from '../units.ts'
import type { Operator } from './operator.ts'
import { systemRandom } from './system.ts'
import { createKeyRing } from './tokens.ts'

export const DAY_MS = 24 * 3600 * 1000
export const NODE_DAYS = 90
/** Certificates are made valid a little before now, for clocks that run behind. */
export const LEEWAY_MS = DAY_MS
const RENEW_WITHIN_MS = 30 * DAY_MS

export type Upkeep = {
  readonly bodies: readonly AnyBody[]
  /** Names of the nodes whose certificates are renewed. */
  readonly renewed: readonly string[]
}

/** What is due; `all` renews every certificate now. */
export function upkeepOf(operator: Operator, nowAt: number, all = false): Upkeep {
  const devices = devicesOf(operator)
  // A renewal speaks for itself: it must not undo what a revoker has said, so nobody is renewed before a node was asked.
  const isInformed = operator.revokedElsewhere() !== undefined
  const nodes = devices.filter(({ roles }) => isInformed && roles.includes('node'))
  const due = nodes.filter(({ notAfterAt }) => all || notAfterAt - nowAt < RENEW_WITHIN_MS)
  return {
    bodies: [
      ...due.map(one => renewalOf(operator, one, nowAt)),
      ...missingBoxes(operator, devices),
      ...missingTlsKeys(operator, devices),
    ],
    renewed: due.map(({ name }) => name),
  }
}

/** The newest certificate of every device that may hold secrets of the site. */
function devicesOf({
  ledger,
  certificate,
  certificates,
  revokedElsewhere,
}: Operator): readonly Certificate[] {
  const newest = new Map<DeviceId, Certificate>([[certificate.deviceId, certificate]])
  for (const one of certificates()) {
    if (one.roles.includes('cloud') || ledger.isVoid(one) || revokedElsewhere()?.has(one.deviceId)) continue
    if ((newest.get(one.deviceId)?.serial ?? -1) < one.serial) newest.set(one.deviceId, one)
  }
  return [...newest.values()]
}

function renewalOf({ certify }: Operator, held: Certificate, nowAt: number): AnyBody {
  const { name, roles, peerKey, logKey, sealKey } = held
  const certificate = certify({
    ...{ name, roles, peerKey, logKey, sealKey },
    // Later than the one before, whatever the clock says.
    serial: Math.max(nowAt, held.serial + 1),
    notBeforeAt: nowAt - LEEWAY_MS,
    notAfterAt: nowAt + NODE_DAYS * DAY_MS,
  })
  return { name: 'device_cert', body: { certificate } }
}

function missingBoxes(operator: Operator, devices: readonly Certificate[]): readonly AnyBody[] {
  const { identity, certificate, ledger } = operator
  const ring = createKeyRing(identity, certificate.deviceId, ledger.view)
  const { siteKeys } = ledger.view()
  return ring.later().flatMap(({ keyId, key }) => {
    const holds = (deviceId: DeviceId) =>
      siteKeys.of(deviceId).some(one => one.keyId === keyId && one.boxes.length > 0)
    return key
      ? boxesFor(
          'site_key',
          key,
          devices.filter(({ deviceId }) => !holds(deviceId)),
        )
      : []
  })
}

/** A new key for the site, sealed to everybody who may hold it, the operator's own folder among them. */
export function newSiteKey(operator: Operator): readonly AnyBody[] {
  return boxesFor('site_key', systemRandom().bytes(32), devicesOf(operator))
}

/** The key to what nodes show to chargers, for all who may hold it: nodes, and the operator for those that come later. */
export function tlsKeyBodies(operator: Operator, key: Uint8Array): readonly AnyBody[] {
  return boxesFor('charger_tls_key', key, devicesOf(operator).filter(showsTls))
}

function missingTlsKeys(
  { identity, certificate, ledger }: Operator,
  devices: readonly Certificate[],
): readonly AnyBody[] {
  const { chargerTls } = ledger.view()
  const [newest] = chargerTls.of(certificate.deviceId)
  const self = { deviceId: certificate.deviceId, sealKey: unhex(identity.keys.sealKey) }
  const key = newest && openSiteKey(self, newest.keyId, newest.boxes)
  if (!key) return []
  const lacks = ({ deviceId }: Certificate) => chargerTls.of(deviceId)[0]?.boxes.length === 0
  return boxesFor('charger_tls_key', key, devices.filter(showsTls).filter(lacks))
}

function showsTls({ roles }: Certificate): boolean {
  return !roles.includes('revoker')
}

function boxesFor(
  name: 'site_key' | 'charger_tls_key',
  key: Uint8Array,
  devices: readonly Certificate[],
): readonly AnyBody[] {
  const { bytes } = systemRandom()
  const boxes = devices.map(device => boxSiteKey(device, bytes(32), key))
  const bodies: AnyBody[] = []
  for (let i = 0; i < boxes.length; i += MAX_KEY_BOXES)
    bodies.push({ name, body: { keyId: siteKeyIdOf(key), boxes: boxes.slice(i, i + MAX_KEY_BOXES) } })
  return bodies
}
