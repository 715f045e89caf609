// Layer chargers: is there a certificate to show to those that come over the network, in force, and for the name in their URLs.
import { parseHostPort } from '../config.ts'
import { deviceIdOf } from '../identity/certificate.ts'
import { publicKeyOf } from '../identity/signature.ts'
import { isLoopback } from '../ocpp/tls-door.ts'
import { unhex } from '../units.ts'
import { openNodeTls, type ShownReport, wantsTls } from './charger-tls.ts'
import { type Finding, NOT_CHECKED, type Patient, spanOf, trouble } from './doctor-patient.ts'
import { dayOf, type Trouble } from './validity.ts'

const REMINDER_MS = 30 * 24 * 3600 * 1000
const RENEW = '`chargemesh site tls --site <site> --via <a running node>` makes another'

export async function examineChargers(patient: Patient): Promise<Finding> {
  const { config, identity, nowAt, running, store } = patient
  if (!config || typeof identity === 'string') return NOT_CHECKED
  const { ocpp } = config
  const host = parseHostPort(ocpp.listen)?.host ?? ''
  const isHere = isLoopback(host)
  const clear = isHere
    ? `in the clear on ${ocpp.listen}, from this machine only`
    : `in the clear on ${ocpp.listen}, as ocpp.allowInsecure says: on a wired VLAN of their own`
  if (!wantsTls(ocpp)) return { fine: clear, troubles: [] }
  if (!running && !store?.value) return NOT_CHECKED
  const shown = running ? running.status.ocpp?.tls : await shownBy(patient)
  if (!shown)
    return { fine: '', troubles: [trouble('fail', `there is no certificate to show to chargers: ${RENEW}`)] }
  return {
    fine: `over TLS, with a certificate for ${shown.names.join(', ')}, until ${dayOf(shown.notAfterAt)}`,
    troubles: [
      ...endTrouble(shown, nowAt),
      ...nameTrouble(shown, ocpp.listenTls ?? ocpp.listen),
      ...ageTrouble(shown),
    ],
  }
}

/** Of a node that is stopped: what it would show. */
async function shownBy({ config, identity, store }: Patient): Promise<ShownReport | undefined> {
  const ledger = store?.value?.ledger
  if (!config || !ledger || typeof identity === 'string') return undefined
  const deviceId = deviceIdOf(publicKeyOf(unhex(identity.keys.logKey)))
  return (await openNodeTls({ ocpp: config.ocpp, identity, deviceId, view: ledger.view })).report()
}

function endTrouble({ notAfterAt }: ShownReport, nowAt: number): readonly Trouble[] {
  const day = dayOf(notAfterAt)
  if (nowAt > notAfterAt)
    return [trouble('fail', `the certificate that chargers are shown ended on ${day}: ${RENEW}`)]
  if (nowAt <= notAfterAt - REMINDER_MS) return []
  return [
    trouble(
      'warn',
      `the certificate that chargers are shown ends in ${spanOf(notAfterAt - nowAt)}, on ${day}: ${RENEW}`,
    ),
  ]
}

/** An address of its own in the settings is what chargers were told; any other may still be a name of this machine. */
function nameTrouble({ names }: ShownReport, listen: string): readonly Trouble[] {
  const host = parseHostPort(listen)?.host ?? ''
  if (host === '0.0.0.0' || host === '::' || isLoopback(host) || names.includes(host)) return []
  const all = [...names, host].join(',')
  return [
    trouble(
      'warn',
      `the certificate that chargers are shown is not for ${host}: those that look at the name refuse it; chargemesh site tls --ocpp-name ${all}`,
    ),
  ]
}

function ageTrouble({ isNewest }: ShownReport): readonly Trouble[] {
  if (isNewest) return []
  const says =
    'the operator made a newer certificate for chargers than this node was given: any command of the operator with --via gives it'
  return [trouble('warn', says)]
}
