// What is looked at in every run, and what is not yet because the software does not have it (PROTOCOL 6.5).
import type { Checked } from '../report/promises.ts'

export const CHECKED: readonly Checked[] = [
  ...under('logs', ['I1', 'I2', 'I3', 'I4']),
  ...under('durability', ['I5']),
  ...under('pruning', ['I10', 'I11']),
  ...under('losses', ['I6']),
  ...under('convergence', ['I7', 'I8', 'I9', 'I26']),
  ...under('cards', ['I13', 'I14']),
  ...under('window', ['I15']),
  ...under('policy', ['I16', 'I18']),
  ...under('stops', ['I33']),
  ...under('exclusion', ['I17']),
  ...under('billing', ['I19', 'I20', 'I22', 'I23', 'I24', 'I25']),
  ...under('drivers', ['I22']),
  ...under('terms', ['I12']),
  ...under('uplinks', ['I19', 'I24', 'I25', 'L1']),
  ...under('liveness', ['L1', 'L3', 'L4']),
]

export const NOT_YET: readonly { readonly invariant: string; readonly why: string }[] = [
  { invariant: 'I21', why: 'no payment provider is connected yet' },
  ...['I27', 'I28', 'I29', 'I30', 'I31', 'I32'].map(invariant => ({
    invariant,
    why: 'escrow and power loans are not built yet',
  })),
  { invariant: 'L2', why: 'implied by L1 and I7 while the operator is one log' },
  { invariant: 'L5', why: 'real time: a benchmark, not a simulation' },
]

function under(checker: string, invariants: readonly string[]): readonly Checked[] {
  return invariants.map(invariant => ({ invariant, checker }))
}
