// Frames that are made to be read, not to be understood: garbage, nested and truncated CBOR, counts that no message can
// hold, and the Yjs updates of PROTOCOL 1.1 (F1 to F3) and 6.6, which are given to a document by whoever trusts them.
// What cannot be read is endured until it floods; a segment that no honest node can send costs the connection.
import { MAX_MESSAGE_BYTES } from '../../src/ports.ts'
import { encodeUpdate, MAX_SEGMENT_BYTES } from '../../src/replica/canonical.ts'
import { concatBytes, hex, type LogId, unhex } from '../../src/units.ts'
import { type Repertoire, type Scene, type Sending, say, someOf, toFew, toOne } from './scene.ts'

const NESTED = ['81', 'a160', '8200', 'd8ff81', 'a100', '9f', 'bf60'] as const
const KINDS = [1, 2, 3, 4, 5] as const

function garbage(scene: Scene): readonly Sending[] {
  const lengths = [1, 2, 500, 16_384, MAX_MESSAGE_BYTES]
  return toFew(scene, [scene.dice.random.bytes(scene.dice.pick(lengths))])
}

function unknownKind(scene: Scene): readonly Sending[] {
  return toFew(scene, [Uint8Array.of(6 + scene.dice.below(250), 0x80)])
}

/** One kind byte, and then nesting to the end of the frame. */
function nested(scene: Scene): readonly Sending[] {
  const opening = unhex(scene.dice.pick(NESTED))
  const frame = new Uint8Array(scene.dice.chance(0.5) ? MAX_MESSAGE_BYTES : 4096)
  frame[0] = scene.dice.pick(KINDS)
  for (let at = 1; at < frame.length; at++) frame[at] = opening[(at - 1) % opening.length] ?? 0
  return toFew(scene, [frame])
}

function truncated(scene: Scene): readonly Sending[] {
  const frames = someOf(scene.dice, scene.memory.frames(), 4)
  return toFew(
    scene,
    frames.map(frame => frame.subarray(0, 1 + scene.dice.below(frame.length))),
  )
}

/** A true frame with a tail, which is not the one encoding of anything. */
function tailed(scene: Scene): readonly Sending[] {
  const frames = someOf(scene.dice, scene.memory.frames(), 2)
  return toFew(
    scene,
    frames.map(frame => concatBytes([frame, Uint8Array.of(0)])),
  )
}

/** Of a log that everybody has, at and behind its head, or of one that nobody has. */
function segmentWith(scene: Scene, update: Uint8Array): Uint8Array {
  const heads = scene.memory.heads()
  const head = heads.length > 0 && scene.dice.chance(0.5) ? scene.dice.pick(heads) : undefined
  const logId = head?.logId ?? hex<LogId>(scene.dice.random.bytes(16))
  const fromSeq = head ? scene.dice.pick([0, head.seq, head.seq + 1]) : 0
  return say({ kind: 'segment', logId, fromSeq, update, more: false, prevHash: new Uint8Array(0) })
}

/** F1: under another client id, and text where an event should stand. */
function foreignClient(scene: Scene): Uint8Array {
  const update = encodeUpdate(0, [scene.dice.random.bytes(40)])
  update[2] = 2
  return scene.dice.chance(0.5) ? update : unhex('010101000401016505' + '68656c6c6f' + '00')
}

/** F2: six bytes that delete the array; one GC struct that silences its author. */
function deletion(scene: Scene): Uint8Array {
  return unhex(scene.dice.pick(['000101010006', '0101010600ffffffff0700', '01010100008080808008' + '00']))
}

/** F3: structs behind gaps, as many as a segment holds: quadratic in Yjs. */
function gaps(): Uint8Array {
  const structs: Uint8Array[] = []
  for (let i = 0, size = 0; size < MAX_SEGMENT_BYTES - 64; i++) {
    const [clock, origin] = [10 + 2 * i, 9 + 2 * i]
    const struct = concatBytes([unhex('0101'), varUint(clock), unhex('8301'), varUint(origin), unhex('0100')])
    structs.push(struct)
    size += struct.length
  }
  return concatBytes([varUint(structs.length), ...structs, unhex('00')])
}

function hugeCount(scene: Scene): Uint8Array {
  const counts = [
    '01ffffffff0f01',
    'ffffffff0f0100',
    '01ffffffffffff7f0100',
    '0180020100',
    '000101ffffffff0f0001',
  ]
  return unhex(scene.dice.pick(counts))
}

/** An update that is fine, of an event that is none: nested CBOR where the opening should stand. */
function nestedOpening(scene: Scene): Uint8Array {
  const body = new Uint8Array(8192).fill(0x81)
  const fixed = new Uint8Array(19)
  const view = new DataView(fixed.buffer)
  view.setUint8(0, 1)
  view.setUint8(2, 1)
  view.setUint16(17, body.length)
  return encodeUpdate(0, [concatBytes([fixed, body, scene.dice.random.bytes(64)])])
}

function varUint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push(128 | (rest % 128))
  return Uint8Array.of(...bytes, rest)
}

function update(make: (scene: Scene) => Uint8Array) {
  return (scene: Scene): readonly Sending[] => toOne(scene, [segmentWith(scene, make(scene))])
}

/** More of the unreadable at once than an honest peer with newer software would say. */
function flood(scene: Scene): readonly Sending[] {
  const one = Uint8Array.of(9, 0x80)
  return toOne(
    scene,
    Array.from({ length: 64 }, () => one),
  )
}

export const BOMBS: Repertoire = {
  quiet: [garbage, unknownKind, nested, nested, truncated, tailed],
  loud: [
    ...[update(foreignClient), update(deletion), update(gaps), update(hugeCount)],
    ...[update(nestedOpening), flood],
  ],
}
