// A charge point's own list of cards (OCPP 1.6, 3.5): as long as its plan says, taken in pieces as large as its plan says, and
// gone with the power in firmware that keeps it in working memory. What does not fit is refused and changes nothing.
import type { ListPlan } from '../plan.ts'
import type { Payload } from './session.ts'

export type StationList = {
  /** To GetConfiguration, GetLocalListVersion and SendLocalList; undefined for anything else. */
  readonly answer: (action: string, payload: Payload) => Payload | undefined
  /** What the list says of a card at this time, UTC ms; undefined for a card that it does not name. */
  readonly verdict: (idTag: string, nowAt: number) => string | undefined
  readonly version: () => number
  readonly powerUp: () => void
  /** Each update that came, as `Full 641 Accepted`. */
  readonly updates: () => readonly string[]
}

type Info = { readonly status: string; readonly expiryDate?: string }
type Card = { readonly idTag: string; readonly idTagInfo?: Info }

export function createList(plan: ListPlan | undefined): StationList {
  let version = 0
  let cards = new Map<string, Info>()
  const updates: string[] = []
  const send = ({ listVersion, updateType, localAuthorizationList }: Payload): string => {
    if (!plan) return 'NotSupported'
    // Production code wrote it a moment ago.
    const [given, sent] = [Number(listVersion), localAuthorizationList as readonly Card[]]
    const isFull = updateType === 'Full'
    if (!isFull && given <= version) return 'VersionMismatch'
    const next = new Map(isFull ? [] : cards)
    for (const { idTag, idTagInfo } of sent) {
      if (idTagInfo) next.set(idTag.toUpperCase(), idTagInfo)
      else next.delete(idTag.toUpperCase())
    }
    if (sent.length > plan.perMessage || next.size > plan.maxLength) return 'Failed'
    cards = next
    version = given
    return 'Accepted'
  }
  return {
    version: () => version,
    updates: () => updates,
    answer: (action, payload) => {
      if (action === 'GetConfiguration') return configuration(plan, payload)
      if (action === 'GetLocalListVersion') return { listVersion: plan ? version : -1 }
      if (action !== 'SendLocalList') return undefined
      const status = send(payload)
      updates.push(`${payload.updateType} ${payload.listVersion} ${status}`)
      return { status }
    },
    verdict: (idTag, nowAt) => {
      const info = cards.get(idTag.toUpperCase())
      if (info?.status !== 'Accepted' || info.expiryDate === undefined) return info?.status
      return Date.parse(info.expiryDate) > nowAt ? 'Accepted' : 'Expired'
    },
    powerUp: () => {
      if (!plan?.forgets) return
      version = 0
      cards = new Map()
    },
  }
}

/** What it shows of its list among its settings. */
export function listKeys(plan: ListPlan | undefined): Readonly<Record<string, string>> {
  if (!plan) return {}
  return {
    LocalAuthListEnabled: 'true',
    LocalAuthListMaxLength: String(plan.maxLength),
    SendLocalListMaxLength: String(plan.perMessage),
  }
}

function configuration(plan: ListPlan | undefined, { key }: Payload): Payload {
  const values = listKeys(plan)
  const asked = Array.isArray(key) ? key.map(String) : Object.keys(values)
  return {
    configurationKey: asked.flatMap(name =>
      values[name] === undefined ? [] : [{ key: name, readonly: true, value: values[name] }],
    ),
    unknownKey: asked.filter(name => values[name] === undefined),
  }
}
