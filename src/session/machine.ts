// The states of a session, as one total table. Every (state, input) cell is decided: a move, `same` for a repeat
// that changes nothing, or `flag` for something that the record keeps and a person should see. No cell refuses:
// what a charger reports has happened, whether we like it or not.
//
//               reserve    authorize   start     pause   resume    stop       cancel  reconcile
// idle          reserving  authorized  charging  flag    flag      completed  same    flag
// reserving     same       authorized  charging  flag    flag      completed  idle    flag
// authorized    flag       same        charging  flag    flag      completed  idle    flag
// charging      flag       same        same      paused  same      completed  flag    flag
// paused        flag       same        same      same    charging  completed  flag    flag
// completed     flag       flag        flag      flag    flag      same       flag    reconciled
// reconciled    flag       flag        flag      flag    flag      same       flag    same
//
// M1 nothing leaves `reconciled`; M2 `completed` leads nowhere but to `reconciled`; M3 a stop is recorded from
// every state, because a stop without a known start (a charger that was offline) is still energy delivered.

export const SESSION_STATES = [
  'idle',
  'reserving',
  'authorized',
  'charging',
  'paused',
  'completed',
  'reconciled',
] as const
export type SessionState = (typeof SESSION_STATES)[number]

export const SESSION_INPUTS = [
  'reserve',
  'authorize',
  'start',
  'pause',
  'resume',
  'stop',
  'cancel',
  'reconcile',
] as const
export type SessionInput = (typeof SESSION_INPUTS)[number]

type Cell = SessionState | 'same' | 'flag'
type Row = readonly [Cell, Cell, Cell, Cell, Cell, Cell, Cell, Cell]

const TABLE: Readonly<Record<SessionState, Row>> = {
  idle: ['reserving', 'authorized', 'charging', 'flag', 'flag', 'completed', 'same', 'flag'],
  reserving: ['same', 'authorized', 'charging', 'flag', 'flag', 'completed', 'idle', 'flag'],
  authorized: ['flag', 'same', 'charging', 'flag', 'flag', 'completed', 'idle', 'flag'],
  charging: ['flag', 'same', 'same', 'paused', 'same', 'completed', 'flag', 'flag'],
  paused: ['flag', 'same', 'same', 'same', 'charging', 'completed', 'flag', 'flag'],
  completed: ['flag', 'flag', 'flag', 'flag', 'flag', 'same', 'flag', 'reconciled'],
  reconciled: ['flag', 'flag', 'flag', 'flag', 'flag', 'same', 'flag', 'same'],
}

export type Move = { readonly state: SessionState; readonly kind: 'moved' | 'same' | 'flagged' }

export function step(state: SessionState, input: SessionInput): Move {
  const cell = TABLE[state][SESSION_INPUTS.indexOf(input)] ?? 'flag'
  if (cell === 'same') return { state, kind: 'same' }
  if (cell === 'flag') return { state, kind: 'flagged' }
  return { state: cell, kind: 'moved' }
}
