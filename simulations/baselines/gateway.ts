// One gateway: a site controller on node 1, which all charge points depend on.
//
// Rules. Cards and sessions live on the controller. A charge point reaches it from any node that it has the address of, over
// any path of the site's network, while the controller is up. Cut off, a charge point accepts cards that it accepted before
// (OCPP 1.6 authorization cache; there is no local list) and refuses others, unless its firmware accepts everybody; what it
// did is queued and heard later. The operator's news reach the controller as soon as the node that is handed them does. The
// controller sends a session to the cloud when it reaches a node with an uplink.
// In its favour: news and sessions are sent at once; it syncs its disk before it answers, so that a power cut costs it nothing
// while the disk is honest; bit flips, lost and misdirected writes, clones and slow disks do it no harm; after a new disk or an
// old image its cards are put right at once; it knows a start that comes again by connector, card, time and register, as SteVe
// does (OCPP.md, section 4), so it bills nothing twice; it is never hostile; the cloud loses nothing.
// Against it: a new disk or an old image loses what the cloud did not have, and the stop of a start that is gone cannot be
// billed; while its disk is full it decides on cards and writes nothing down.
import type { Service } from '../outcome.ts'
import { isGoodAt } from '../tally/tally.ts'
import { type Heard, type Rules, serve } from './floor.ts'
import type { Ground } from './ground.ts'
import { lastNotAfter } from './spans.ts'

const CONTROLLER = 1

export function gateway(ground: Ground): Service {
  return serve(ground, gatewayRules(ground))
}

export function gatewayRules(ground: Ground): Rules {
  const { plan, reaches, isUp } = ground
  const hears = (charger: number, atMs: number): boolean =>
    isUp(CONTROLLER, atMs) &&
    ground.isWired(charger, atMs) &&
    (plan.chargers[charger - 1]?.nodes.some(node => reaches(node, CONTROLLER, atMs)) ?? false)
  const operator = plan.operator
    .flatMap(step => {
      const isTold = (atMs: number): boolean => isUp(CONTROLLER, atMs) && reaches(step.node, CONTROLLER, atMs)
      const atMs = firstAt(ground, step.atMs, isTold)
      return atMs === undefined ? [] : [{ ...step, atMs }]
    })
    .toSorted((a, b) => a.atMs - b.atMs)
  const losses = ground.losses(CONTROLLER)
  const canSend = (atMs: number): boolean =>
    isUp(CONTROLLER, atMs) &&
    ground.uplinkNodes.some(node => ground.hasUplink(node, atMs) && reaches(CONTROLLER, node, atMs))
  return {
    hears,
    records: (_, atMs) => ground.canWrite(CONTROLLER, atMs),
    accepts: (card, atMs) => isGoodAt({ plan: { ...plan, operator } }, card, atMs),
    alone: ({ cards, plan }, card) => cards.has(card) || plan.quirks.includes('offline-starts'),
    destroyed: ({ startHeardAtMs, stopHeardAtMs }: Heard) => {
      const sentAtMs = firstAt(ground, stopHeardAtMs, canSend) ?? Number.POSITIVE_INFINITY
      return losses.some(({ atMs, sinceMs }) =>
        [startHeardAtMs, stopHeardAtMs].some(
          heardAtMs => heardAtMs > sinceMs && heardAtMs <= atMs && sentAtMs > atMs,
        ),
      )
    },
  }
}

/** From `fromMs` on, the first instant at which it is so. */
function firstAt(ground: Ground, fromMs: number, isSo: (atMs: number) => boolean): number | undefined {
  if (isSo(fromMs)) return fromMs
  return ground.changes.slice(lastNotAfter(ground.changes, fromMs) + 1).find(isSo)
}
