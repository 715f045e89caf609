// Certificates of chargers, as the operator's plane has them: what they have asked to be signed, and what they are told.
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { ChargerId } from '../units.ts'

export type CertificateRequests = () => readonly {
  readonly chargerId: ChargerId
  readonly csr: string
  readonly atMs: number
}[]

const pem = z.string().min(1).max(10_000)
export const CERTIFICATE_COMMANDS = [
  z.strictObject({ kind: z.literal('certificateSigned'), chain: pem }),
  z.strictObject({ kind: z.literal('installCertificate'), certificate: pem }),
  z.strictObject({ kind: z.literal('installedCertificates') }),
  z.strictObject({ kind: z.literal('requestCertificate') }),
] as const

export function addCertificateRequests(
  server: FastifyInstance,
  { certificateRequests }: { readonly certificateRequests: CertificateRequests },
): void {
  server.get('/v1/certificate-requests', async () =>
    certificateRequests().map(({ chargerId, csr, atMs }) => ({
      ...{ chargerId, csr, askedAt: new Date(atMs).toISOString() },
    })),
  )
}
