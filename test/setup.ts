// Property tests draw the same examples everywhere, so that a red run is red for everybody; other examples are one
// variable away: FC_SEED=7 npx vitest run.
import fc from 'fast-check'
import { vi } from 'vitest'

fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 20_261_121) })

// Boxes are made at the lowest cost that a box may have, an eighth of the usual: a minute of processor less for the
// whole suite. What opens them is the same; test/host/sealed-box.test.ts has the usual cost.
vi.mock(import('../src/host/sealed-box.ts'), async original => {
  const real = await original()
  return { ...real, sealBox: (sealing, plain) => real.sealBox({ n: 16_384, ...sealing }, plain) }
})
