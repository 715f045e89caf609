// What the firmware of a virtual charge point does by itself: boot, ask for a card, begin, lose power.
import type { Charger } from './charger.ts'
import type { Connector } from './connector.ts'
import { begin, end, report } from './sessions.ts'
import { numberField, textField } from './settings.ts'

const BOOT_RETRY_MS = 1000

export function connectorOf(charger: Charger, connectorId: number): Connector {
  const connector = charger.connectors[connectorId - 1]
  if (!connector) throw new RangeError(`no connector ${connectorId}`)
  return connector
}

/** The line is up: boots after power-up, catches up after a mere loss of the line. */
export async function onOpen(charger: Charger): Promise<void> {
  if (charger.booted) {
    for (const connectorId of [...charger.unreported]) report(charger, connectorId)
    charger.queue.kick()
    return
  }
  while (!charger.booted && charger.line.connected() && !charger.closed) {
    if (await boot(charger)) return
    await new Promise(resolve => setTimeout(resolve, BOOT_RETRY_MS))
  }
}

/** Sends BootNotification; true once it is accepted. */
export async function boot(charger: Charger): Promise<boolean> {
  const result = await charger.line.call('BootNotification', charger.tongue.boot(charger.options.identity))
  if (result.kind !== 'result' || textField(result.payload, 'status') !== 'Accepted') return false
  charger.booted = true
  clearInterval(charger.heartbeat)
  const intervalS = numberField(result.payload, 'interval') ?? charger.settings.seconds('HeartbeatInterval')
  if (intervalS > 0) {
    charger.heartbeat = setInterval(() => void charger.line.call('Heartbeat', {}), intervalS * 1000)
  }
  for (let connectorId = 0; connectorId <= charger.connectors.length; connectorId++)
    report(charger, connectorId)
  charger.queue.kick()
  return true
}

/** Begins now, or when the cable is plugged in. */
export function start(charger: Charger, connector: Connector, idTag: string): void {
  if (connector.plugged) begin(charger, connector, idTag)
  else connector.waitingTag = idTag
}

export async function authorize(charger: Charger, idTag: string): Promise<string> {
  const { settings, acceptedTags, tongue } = charger
  const result = await charger.line.call('Authorize', tongue.authorize(idTag))
  if (result.kind === 'result') {
    const status = tongue.verdict(result.payload) ?? 'Invalid'
    if (status === 'Accepted') acceptedTags.add(idTag)
    else acceptedTags.delete(idTag)
    return status
  }
  const isListUsed = settings.flag('LocalAuthorizeOffline') && settings.flag('LocalAuthListEnabled')
  const listed = isListUsed ? charger.list.verdict(idTag, charger.now()) : undefined
  if (listed !== undefined) return listed
  const known = settings.flag('LocalAuthorizeOffline') && acceptedTags.has(idTag)
  return known || settings.flag('AllowOfflineTxForUnknownId') ? 'Accepted' : 'Offline'
}

export function powerCycle(charger: Charger, reason: string): Promise<void> {
  for (const connector of charger.connectors) {
    end(charger, connector, reason)
    connector.waitingTag = undefined
    connector.status = connector.plugged ? 'Preparing' : 'Available'
  }
  charger.booted = false
  charger.list.powerUp()
  clearInterval(charger.heartbeat)
  charger.line.disconnect()
  return new Promise(resolve => {
    charger.reboot = setTimeout(() => {
      if (!charger.closed) charger.line.connect()
      resolve()
    }, charger.options.rebootMs ?? 500)
  })
}
