// How much a charger may give, in words that no version of OCPP has alone.
import type { StationTransaction } from './ports.ts'

/** Whether it still runs, where the station says so, and whether it has something of it to tell. */
export type TransactionStatus = { readonly isOngoing?: boolean; readonly hasQueue: boolean }

export type RateUnit = 'A' | 'W'

/** The most that may be drawn from so many seconds after the start on; amperes are of each phase. */
export type LimitPeriod = { readonly fromS: number; readonly limit: number; readonly phases?: number }

export type ChargingProfile = StationTransaction & {
  readonly profileId: number
  /** Of two profiles for one purpose the higher one counts. */
  readonly stackLevel: number
  /** The whole charger at all times; what each session begins with; one session that runs. */
  readonly purpose: 'charger' | 'default' | 'session'
  /** Of the session, where it is for one. */
  readonly transactionId?: number
  readonly unit: RateUnit
  readonly periods: readonly LimitPeriod[]
}

export type CompositeSchedule = { readonly unit: RateUnit; readonly periods: readonly LimitPeriod[] }

export type ProfileCommand =
  /** Connector 0 is the charger, or each of its connectors for what a session begins with. */
  | { readonly kind: 'setProfile'; readonly connectorId: number; readonly profile: ChargingProfile }
  /** Every profile that has all that is named. */
  | {
      readonly kind: 'clearProfile'
      readonly profileId?: number
      readonly connectorId?: number
      readonly purpose?: ChargingProfile['purpose']
    }
  /** OCPP 2.0.1 only. Its detail is a `TransactionStatus`. */
  | { readonly kind: 'getTransactionStatus'; readonly stationTransactionId: string }
  /** Its detail is a `CompositeSchedule`. */
  | {
      readonly kind: 'getCompositeSchedule'
      readonly connectorId: number
      readonly durationS: number
      readonly unit?: RateUnit
    }
