// The words that bodies choose from; on the wire each is its place in its list, so a list only grows at its end.
export const CLOCK_QUALITIES = ['none', 'rtc', 'peerMedian', 'cloud', 'ntp', 'gnss'] as const
export const BOOT_REASONS = ['start', 'rotate', 'reopen', 'unknown'] as const
export const STORE_STATES = ['intact', 'lossy', 'fresh'] as const
/** OCPI 2.2.1, 12.4.4 WhitelistType: may a card be accepted without asking its operator? */
export const WHITELIST = ['ALWAYS', 'ALLOWED', 'ALLOWED_OFFLINE', 'NEVER'] as const
/** OCPI 2.2.1, 12.4.1 AllowedType. */
export const ALLOWED = ['ALLOWED', 'BLOCKED', 'EXPIRED', 'NO_CREDIT', 'NOT_ALLOWED'] as const
/** How fresh the policy was when a decision was taken (PROTOCOL 2.3). */
export const TIERS = ['FULL', 'NORMAL', 'REDUCED', 'ALLOWLIST'] as const
export const PAUSE_STATES = ['charging', 'paused', 'suspendedEv', 'suspendedEvse'] as const
/** How far an existing central system was told of a session. */
export const FORWARD_STAGES = ['asked', 'started', 'stopping', 'stopped', 'retry', 'skipped'] as const
