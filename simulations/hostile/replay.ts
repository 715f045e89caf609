// What was true once, said again: frames as they came, to others than they came from, out of order, doubled, and long
// after their time. An honest node does no less after a reconnect, so it is no offence; it must change nothing.
import { type Repertoire, type Scene, type Sending, say, someOf, toFew, toOne } from './scene.ts'

const MAX_FRAMES = 16

function frames(scene: Scene): readonly Sending[] {
  return toFew(scene, someOf(scene.dice, scene.memory.frames(), MAX_FRAMES))
}

function oldestFrames(scene: Scene): readonly Sending[] {
  return toFew(scene, scene.memory.frames().slice(0, MAX_FRAMES))
}

/** One segment over and over, each time with a promise of more. */
function oneSegment(scene: Scene): readonly Sending[] {
  const segments = scene.memory.segments()
  if (segments.length === 0) return frames(scene)
  const again = say({ ...scene.dice.pick(segments), more: true })
  return toOne(
    scene,
    Array.from({ length: MAX_FRAMES }, () => again),
  )
}

function backwards(scene: Scene): readonly Sending[] {
  const newestFirst = scene.memory.segments().slice(-MAX_FRAMES).reverse()
  return toFew(
    scene,
    newestFirst.map(segment => say(segment)),
  )
}

/** Acks and beacons of another day, all at once. */
function objects(scene: Scene): readonly Sending[] {
  const old = scene.memory.objects().slice(0, MAX_FRAMES)
  return old.length > 0 ? toFew(scene, [say({ kind: 'objects', objects: old })]) : frames(scene)
}

export const REPLAY: Repertoire = { quiet: [frames, oldestFrames, oneSegment, backwards, objects], loud: [] }
