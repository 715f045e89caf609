// Property tests draw the same examples everywhere, so that a red run is red for everybody; other examples are one
// variable away: FC_SEED=7 npx vitest run.
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env.FC_SEED ?? 20_261_121) })
