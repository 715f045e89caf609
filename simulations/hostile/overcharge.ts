// More than the meter counted: stops of other nodes' sessions once more, in a log of its own and under its own seal, with a
// higher register. The gate lets them in, for any node may have heard a charger; the fold has to bill the smaller energy
// (PROTOCOL 3.2). A person then has a dispute to look at, which is why this comes only where a scenario asks for it.
import { type Repertoire, type Scene, type Sending, toFew } from './scene.ts'

const MOST_WH = 50_000

function sayMore(scene: Scene): readonly Sending[] {
  const stops = scene.memory.stops()
  const log = stops.length > 0 ? scene.own.diary(scene) : undefined
  if (!log) return []
  const { said } = scene.dice.pick(stops)
  const body = { ...said, meterStopWh: said.meterStopWh + 1 + scene.dice.below(MOST_WH) }
  return toFew(scene, [
    ...scene.own.read(log, 0),
    ...scene.own.append(scene, log, { bodies: [{ name: 'session_end', body }] }),
  ])
}

export const OVERCHARGE: Repertoire = { quiet: [sayMore], loud: [] }
