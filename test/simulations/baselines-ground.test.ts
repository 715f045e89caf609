// What a plan's faults come to for designs that only ask who is up, who reaches whom, and who has a way out.
import { describe, expect, it } from 'vitest'
import { groundOf } from '../../simulations/baselines/ground.ts'
import type { FaultStep } from '../../simulations/plan.ts'
import { MINUTE, minutes, planOf, split, uplink } from './hand-plan.ts'

describe('the ground', () => {
  const reachesAt = (faults: readonly FaultStep[], pair: readonly [number, number]) => {
    const { reaches } = groundOf(planOf({ nodes: 4, faults }))
    return [0, 10, 20, 30, 40].map(at => reaches(...pair, at * MINUTE))
  }

  it.each<[string, readonly FaultStep[], readonly [number, number], readonly boolean[]]>([
    [
      'a split',
      [
        split(10, 20, [
          [1, 2],
          [3, 4],
        ]),
      ],
      [1, 3],
      [true, false, false, true, true],
    ],
    [
      'a bridge between two groups',
      [
        split(10, 20, [
          [1, 2],
          [2, 3],
        ]),
      ],
      [1, 3],
      [true, true, true, true, true],
    ],
    ['a node in no group', [split(10, 20, [[1, 2, 3]])], [1, 4], [true, false, false, true, true]],
    [
      'a split that replaces another, which ends later',
      [
        split(10, 30, [[1], [2, 3, 4]]),
        split(20, 10, [
          [1, 2],
          [3, 4],
        ]),
      ],
      [1, 2],
      [true, false, true, true, true],
    ],
    [
      'a flap',
      [{ kind: 'flap', groups: [[1], [2, 3, 4]], everyMs: 10 * MINUTE, ...minutes({ at: 10, for: 25 }) }],
      [1, 2],
      [true, false, true, false, true],
    ],
    [
      'nodes that lose all links one by one',
      [{ kind: 'swizzle', out: [1, 2], back: [2, 1], ...minutes({ at: 10, for: 40 }) }],
      [1, 3],
      [true, false, false, false, true],
    ],
    [
      'nodes that get them back in another order',
      [{ kind: 'swizzle', out: [1, 2], back: [2, 1], ...minutes({ at: 10, for: 40 }) }],
      [2, 3],
      [true, true, false, true, true],
    ],
    [
      'one way that is cut, and another path',
      [{ kind: 'one-way', from: 1, to: 2, ...minutes({ at: 10, for: 10 }) }],
      [2, 1],
      [true, true, true, true, true],
    ],
    [
      'one way that is cut, and no other path',
      [
        split(0, 40, [
          [1, 2],
          [3, 4],
        ]),
        { kind: 'one-way', from: 1, to: 2, ...minutes({ at: 10, for: 10 }) },
      ],
      [2, 1],
      [true, false, true, true, true],
    ],
  ])('knows %s', (_, faults, pair, expected) => {
    expect(reachesAt(faults, pair)).toEqual(expected)
  })

  it('lets an uplink flap: down first, then up, whatever its windows say', () => {
    const faults: readonly FaultStep[] = [
      { kind: 'uplink-flaps', node: 1, everyMs: 10 * MINUTE, ...minutes({ at: 10, for: 30 }) },
    ]
    const { hasUplink } = groundOf(planOf({ faults, uplinks: uplink(1, [0, 15], [45, 60]) }))
    expect([0, 10, 20, 30, 40, 50].map(at => hasUplink(1, at * MINUTE))).toEqual([
      ...[true, false, true, false, false, true],
    ])
  })

  it('mends everything at the end, and gives the site a way out', () => {
    const faults: readonly FaultStep[] = [
      split(10, 1000, [[1], [2]]),
      { kind: 'kill', node: 1, atMs: 0, downMs: 1000 * MINUTE },
      { kind: 'cloud-down', ...minutes({ at: 0, for: 1000 }) },
    ]
    const ground = groundOf(planOf({ faults, uplinks: [] }))
    const [endMs] = ground.changes.slice(-1)
    expect(endMs).toBe(600 * MINUTE)
    for (const [atMs, expected] of [
      [600 * MINUTE - 1, false],
      [600 * MINUTE, true],
    ] as const)
      expect([ground.isUp(1, atMs), ground.reaches(1, 3, atMs), ground.hasUplink(1, atMs)]).toEqual([
        ...[expected, expected, expected],
      ])
  })
})
