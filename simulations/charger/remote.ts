// What a virtual charge point does when its central system calls it. Answers first, acts
// afterwards, as firmware does.

import type { Payload } from '../station/session.ts'
import type { Charger } from './charger.ts'
import type { Connector } from './connector.ts'
import { authorize, boot, powerCycle, start } from './firmware.ts'
import { end, report, rescheduleMeters, sampleMeter } from './sessions.ts'
import { numberField, textField } from './settings.ts'

type Status = { readonly status: string }

/** The .conf payload; undefined for an action that this firmware does not know. */
export function answerRemote(charger: Charger, action: string, payload: unknown): unknown {
  switch (action) {
    case 'RemoteStartTransaction':
      return remoteStart(charger, payload)
    case 'RemoteStopTransaction':
      return remoteStop(charger, payload)
    case 'Reset': {
      const reason = textField(payload, 'type') === 'Hard' ? 'HardReset' : 'SoftReset'
      setImmediate(() => void powerCycle(charger, reason))
      return { status: 'Accepted' }
    }
    case 'GetConfiguration':
      return charger.settings.get(payload)
    case 'ChangeConfiguration':
      return changed(charger, payload)
    case 'TriggerMessage':
      return triggered(charger, payload)
    case 'GetLocalListVersion':
    case 'SendLocalList':
      return charger.list.answer(action, payload as Payload)
    default:
      return undefined
  }
}

function remoteStart(charger: Charger, payload: unknown): Status {
  const idTag = textField(payload, 'idTag')
  const connectorId = numberField(payload, 'connectorId')
  const free = (connector: Connector) => connector.running === undefined
  const connector =
    connectorId === undefined
      ? (charger.connectors.find(each => free(each) && each.plugged) ?? charger.connectors.find(free))
      : charger.connectors[connectorId - 1]
  if (idTag === undefined || !connector || !free(connector)) return { status: 'Rejected' }
  setImmediate(() => void remotelyStarted(charger, connector, idTag))
  return { status: 'Accepted' }
}

async function remotelyStarted(charger: Charger, connector: Connector, idTag: string): Promise<void> {
  if (charger.settings.flag('AuthorizeRemoteTxRequests')) {
    if ((await authorize(charger, idTag)) !== 'Accepted') return
  }
  if (!connector.running) start(charger, connector, idTag)
}

function remoteStop(charger: Charger, payload: unknown): Status {
  const transactionId = numberField(payload, 'transactionId')
  const connector = charger.connectors.find(
    ({ running }) => transactionId !== undefined && running?.record.transactionIds.includes(transactionId),
  )
  if (!connector) return { status: 'Rejected' }
  setImmediate(() => end(charger, connector, 'Remote'))
  return { status: 'Accepted' }
}

function changed(charger: Charger, payload: unknown): Readonly<Record<string, unknown>> {
  const answer = charger.settings.change(payload)
  if (answer.status === 'Accepted' && textField(payload, 'key') === 'MeterValueSampleInterval') {
    charger.meterIntervalMs = Math.max(1, charger.settings.seconds('MeterValueSampleInterval')) * 1000
    rescheduleMeters(charger)
  }
  return answer
}

function triggered(charger: Charger, payload: unknown): Status {
  const connectorId = numberField(payload, 'connectorId')
  const connectors = charger.connectors.filter(({ id }) => connectorId === undefined || id === connectorId)
  const actions: Readonly<Record<string, () => void>> = {
    BootNotification: () => void boot(charger),
    Heartbeat: () => void charger.line.call('Heartbeat', {}),
    StatusNotification: () => {
      for (const { id } of connectors) report(charger, id)
    },
    MeterValues: () => {
      for (const connector of connectors) sampleMeter(charger, connector)
    },
  }
  const action = actions[textField(payload, 'requestedMessage') ?? '']
  if (!action) return { status: 'NotImplemented' }
  if (connectors.length === 0) return { status: 'Rejected' }
  setImmediate(action)
  return { status: 'Accepted' }
}
