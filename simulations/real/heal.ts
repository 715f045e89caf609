// How long a site takes to heal: from the instant in which the last broken link or process is mended until every node holds
// whatever any node held at that instant, while work goes on. Fed alike by both worlds.
import type { Plan } from '../plan.ts'
import type { Observer, Shown } from '../world/observer.ts'
import { runWorld } from '../world/world.ts'

/** Newest event by log. */
export type Heads = ReadonlyMap<string, number>

export type Heal = {
  /** Between the mend and the end of healing: somebody should look. */
  readonly isDue: (nowMs: number) => boolean
  /** All nodes; undefined for one that is down or does not answer. */
  readonly saw: (nowMs: number, nodes: readonly (Heads | undefined)[]) => void
  /** Undefined: never, or nothing was ever broken. */
  readonly healMs: () => number | undefined
}

export function watchHeal(plan: Plan): Heal {
  const mendedAtMs = lastMendMs(plan)
  let wanted: Map<string, number> | undefined
  let healMs: number | undefined
  return {
    healMs: () => healMs,
    isDue: nowMs => mendedAtMs !== undefined && nowMs >= mendedAtMs && healMs === undefined,
    saw: (nowMs, nodes) => {
      if (mendedAtMs === undefined || nowMs < mendedAtMs || healMs !== undefined) return
      if (!wanted) {
        wanted = new Map()
        for (const heads of nodes)
          for (const [log, seq] of heads ?? []) wanted.set(log, Math.max(seq, wanted.get(log) ?? -1))
      }
      const all = [...wanted]
      if (nodes.every(heads => heads && all.every(([log, seq]) => (heads.get(log) ?? -1) >= seq)))
        healMs = nowMs - mendedAtMs
    },
  }
}

/** When the last link or process that was broken within the plan's time is mended; undefined when none ever was. */
export function lastMendMs({ faults, durationMs }: Plan): number | undefined {
  const ends = faults.flatMap(fault => {
    switch (fault.kind) {
      case 'split':
      case 'one-way':
      case 'flap':
      case 'swizzle':
      case 'stall':
        return [fault.atMs + fault.forMs]
      case 'kill':
      case 'power-cut':
        return [fault.atMs + fault.downMs]
      case 'crash-loop':
        return [fault.atMs + fault.times * fault.everyMs]
      default:
        return []
    }
  })
  return ends.length === 0 ? undefined : Math.min(durationMs, Math.max(...ends))
}

/** The same in the simulator: the world of the plan once more, looked at after every step. */
export async function simulatedHealMs(plan: Plan): Promise<number | undefined> {
  const heal = watchHeal(plan)
  await runWorld(plan, {
    observers: shown => [healObserver(shown, heal)],
    object: () => undefined,
    enough: () => heal.healMs() !== undefined,
  })
  return heal.healMs()
}

function healObserver(shown: Shown, heal: Heal): Observer {
  const look = (): void => {
    if (!heal.isDue(shown.nowMs())) return
    const nodes = shown.members().map(member => {
      const logs = member.node()?.ledger().logs
      return logs && new Map([...logs.all()].map(log => [String(log.logId), log.head.seq]))
    })
    heal.saw(shown.nowMs(), nodes)
  }
  return { name: 'heal', stepped: look, second: look }
}
