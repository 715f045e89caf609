// Kills the node that a charger talks to at one instant after the other of a case. The kill is a real SIGKILL, sent before
// anything else of that connection is passed on; what the dead process still had in its sockets is held back.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Instant, Step } from './cases.ts'
import { type Gate, PASS, type Side, type Verdict } from './gate.ts'

/** A node as a trap needs it. */
export type Prey = { readonly gate: Gate; readonly dir: string; readonly kill: () => Promise<void> }

export type Trap = {
  /** Instants that are still to come. */
  readonly left: () => readonly Instant[]
  /** The instant has come, by other signs than a frame: kills this one. */
  readonly spring: (prey: Prey) => Promise<void>
  /** Resolves when every process that was killed so far is gone, and was told of. */
  readonly idle: () => Promise<unknown>
  readonly disarm: () => void
}

/** How long a node may take to write; after that it is killed all the same. */
const WRITTEN_WITHIN_MS = 500
const NAP_MS = 0.3

/** `onKilled` is told when the process is gone. */
export function setTrap(
  kills: readonly Instant[],
  preys: readonly Prey[],
  onKilled: (prey: Prey) => void,
): Trap {
  const left = [...kills]
  let killing: Promise<void> = Promise.resolve()
  const kill = (prey: Prey): Promise<void> => {
    left.shift()
    const gone = prey.kill()
    prey.gate.hangUp()
    killing = Promise.all([killing, gone]).then(() => onKilled(prey))
    return killing
  }
  for (const prey of preys) prey.gate.watch = watcher(prey)
  return {
    left: () => left,
    spring: kill,
    idle: () => killing,
    disarm: () => {
      for (const { gate } of preys) gate.watch = () => PASS
    },
  }

  /** Each gate remembers which call it waits to see answered. */
  function watcher(prey: Prey): Gate['watch'] {
    let awaited: string | undefined
    return (from: Side, text: string): Verdict => {
      const [instant] = left
      if (instant?.kind !== 'frame') return PASS
      const frame = JSON.parse(text) as readonly unknown[]
      const [type, id] = [frame[0], String(frame[1])]
      const afterwards = (): void => void kill(prey)
      if (from === 'node') {
        if (type === 2 || id !== awaited) return PASS
        awaited = undefined
        return instant.moment === 'unanswered' ? { held: true, afterwards } : { held: false, afterwards }
      }
      if (type !== 2 || stepOf(frame) !== instant.step) return PASS
      switch (instant.moment) {
        case 'unheard':
          return { held: true, afterwards }
        case 'heard':
          return { held: false, afterwards }
        case 'written': {
          const before = journalBytes(prey.dir)
          const whenWritten = (): void => {
            const untilMs = performance.now() + WRITTEN_WITHIN_MS
            while (journalBytes(prey.dir) === before && performance.now() < untilMs) nap()
            afterwards()
          }
          return { held: false, afterwards: whenWritten }
        }
        default:
          awaited = id
          return PASS
      }
    }
  }
}

const STEPS_1_6: Readonly<Record<string, Step>> = {
  BootNotification: 'boot',
  Authorize: 'authorize',
  StartTransaction: 'start',
  MeterValues: 'meter',
  StopTransaction: 'stop',
}

const STEPS_2_0_1: Readonly<Record<string, Step>> = { Started: 'start', Updated: 'meter', Ended: 'stop' }

function stepOf([, , action, payload]: readonly unknown[]): Step | undefined {
  if (action !== 'TransactionEvent') return STEPS_1_6[String(action)]
  return STEPS_2_0_1[String((payload as { readonly eventType?: unknown }).eventType)]
}

function journalBytes(dir: string): number {
  const folder = join(dir, 'journal')
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

/** Sleeps without giving anything else a turn: no frame may pass meanwhile. */
function nap(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, NAP_MS)
}
