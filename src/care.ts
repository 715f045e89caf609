// What an operator asks of a charger apart from sessions, settings and lists, in our words; `ocpp/` translates them.
/** Instants are UTC ms. */
export type CareCommand =
  | { readonly kind: 'unlock'; readonly connectorId: number }
  /** Without a connector, of the whole charger. */
  | {
      readonly kind: 'setAvailability'
      readonly operative: boolean
      readonly connectorId?: number | undefined
    }
  | { readonly kind: 'clearCache' }
  | {
      readonly kind: 'reserve'
      readonly reservationId: number
      readonly connectorId: number
      /** Like that of a remote start. */
      readonly idTag: string
      readonly untilAt: number
    }
  | { readonly kind: 'cancelReservation'; readonly reservationId: number }
  | {
      readonly kind: 'updateFirmware'
      readonly requestId: number
      readonly location: string
      readonly retrieveAt: number
      readonly installAt?: number | undefined
      readonly retries?: number | undefined
      readonly retryIntervalS?: number | undefined
      /** The maker's certificate (PEM) and its signature over the file (base64); the charger checks both. */
      readonly signed?: { readonly certificate: string; readonly signature: string } | undefined
    }
  | {
      readonly kind: 'uploadLog'
      readonly log: 'diagnostics' | 'security'
      readonly requestId: number
      readonly location: string
      readonly fromAt?: number | undefined
      readonly untilAt?: number | undefined
      readonly retries?: number | undefined
      readonly retryIntervalS?: number | undefined
    }
  | {
      readonly kind: 'dataTransfer'
      readonly vendorId: string
      readonly messageId?: string | undefined
      readonly data?: string | undefined
    }
  /** OCPP 2.0.1 only. */
  | {
      readonly kind: 'setNetworkProfile'
      readonly slot: number
      readonly url: string
      readonly securityProfile: number
      readonly messageTimeoutS: number
      readonly interface: string
    }
