// The operator's side of an invitation: it waits for one node that knows the secret, certifies the keys that the node made for
// itself, and hands it what it needs of the site. Whoever does not know the secret learns nothing.
import Fastify from 'fastify'
import { MeshError, reasonOf } from '../errors.ts'
import { sealTo } from '../identity/seal.ts'
import { ed25519 } from '../identity/signature.ts'
import { hex, unhex } from '../units.ts'
import { boxWith, openBox, SECRET_BYTES } from './invitation.ts'
import { type Admission, ASK, type Ask, askDigest, JOIN_PATH, MAX_ASK_BYTES } from './join.ts'
import type { AdmissionFile, certifyNode } from './site-birth.ts'
import { systemRandom } from './system.ts'

/** A body that comes more slowly keeps nobody waiting. */
const REQUEST_MS = 10_000

export type Inviting = {
  readonly listen: { readonly host: string; readonly port: number }
  readonly forMs: number
  /** Signs for these keys, and gives what the node needs; called once for each node that asks. */
  readonly admit: (keys: NodeKeys) => Promise<{ readonly name: string; readonly admission: AdmissionFile }>
  /** Somebody asked in vain; said to the operator, and to nobody else. */
  readonly onFault: (reason: string) => void
  readonly nowAt: () => number
  /** Nodes that the new one may dial. */
  readonly peers: readonly string[]
}

export type NodeKeys = Parameters<typeof certifyNode>[1]

export type OpenInvitation = {
  readonly port: number
  readonly secret: Uint8Array
  /** The name of who joined. Rejects when time is over. */
  readonly joined: Promise<string>
  readonly close: () => Promise<void>
}

export async function openInvitation(inviting: Inviting): Promise<OpenInvitation> {
  const secret = systemRandom().bytes(SECRET_BYTES)
  const { promise: joined, resolve, reject } = Promise.withResolvers<string>()
  const server = Fastify({ bodyLimit: MAX_ASK_BYTES, requestTimeout: REQUEST_MS, logger: false })
  server.removeAllContentTypeParsers()
  /** A node whose answer got lost asks again with the same keys, and gets the same. */
  let admitted: { readonly keys: string; readonly name: string; readonly answer: Uint8Array } | undefined
  let working: Promise<Uint8Array | undefined> = Promise.resolve(undefined)

  const answer = async (body: Uint8Array): Promise<Uint8Array | undefined> => {
    const ask = readAsk(secret, body)
    // Who guesses would need 2^127 tries.
    if (!ask) return undefined
    const keys = `${ask.peerKey}${ask.logKey}${ask.sealKey}`
    if (admitted) return admitted.keys === keys ? admitted.answer : undefined
    const { name, admission } = await inviting.admit({
      ...{ peerKey: unhex(ask.peerKey), logKey: unhex(ask.logKey), sealKey: unhex(ask.sealKey) },
    })
    admitted = { keys, name, answer: answerTo(secret, ask, { inviting, name, admission }) }
    return admitted.answer
  }

  server.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) =>
    done(null, body),
  )
  server.post(JOIN_PATH, async (request, reply) => {
    if (!Buffer.isBuffer(request.body)) return await reply.code(400).send()
    const body = new Uint8Array(request.body)
    if (admitted && openBox(secret, 'done', body)) {
      resolve(admitted.name)
      return await reply.code(204).send()
    }
    // One at a time: the first node that knows the secret is the one that is meant.
    const made = working.then(() => answer(body))
    working = made.catch(() => undefined)
    try {
      const answered = await made
      if (answered) return await reply.type('application/octet-stream').send(Buffer.from(answered))
      return await reply.code(403).send()
    } catch (error) {
      // The next one may find the folder free: the invitation stands.
      inviting.onFault(reasonOf(error))
      return await reply.code(500).send()
    }
  })
  await server.listen(inviting.listen)
  const address = server.server.address()
  const timer = setTimeout(
    () => reject(new MeshError('NETWORK_FAILED', 'nobody came in time: the code is void, make another')),
    inviting.forMs,
  )
  return {
    ...{ port: typeof address === 'object' && address ? address.port : inviting.listen.port, secret, joined },
    close: async () => {
      clearTimeout(timer)
      await server.close()
    },
  }
}

/** Undefined when it was not made with the secret, or does not prove that its sender holds the keys. */
function readAsk(secret: Uint8Array, body: Uint8Array): Ask | undefined {
  const plain = openBox(secret, 'ask', body)
  if (!plain) return undefined
  const ask = parseAsk(plain)
  if (!ask) return undefined
  const { verify } = ed25519()
  const digest = askDigest(secret, ask)
  const isProven =
    verify(unhex(ask.logProof), digest, unhex(ask.logKey)) &&
    verify(unhex(ask.peerProof), digest, unhex(ask.peerKey))
  return isProven ? ask : undefined
}

function parseAsk(plain: Uint8Array): Ask | undefined {
  try {
    return ASK.safeParse(JSON.parse(new TextDecoder().decode(plain))).data
  } catch {
    return undefined
  }
}

type Answering = { readonly inviting: Inviting; readonly name: string; readonly admission: AdmissionFile }

function answerTo(secret: Uint8Array, ask: Ask, { inviting, name, admission }: Answering): Uint8Array {
  const { bytes } = systemRandom()
  const { site, certificates, siteKey, submission } = admission
  const said: Admission = {
    ...{ name, site, certificates: [...certificates], peers: [...inviting.peers], nowAt: inviting.nowAt() },
    // Sealed once more to a key that never left the node: who learns the code later reads no site key.
    siteKeySealed: hex(sealTo(unhex(ask.sealKey), bytes(32), unhex(siteKey))),
    submission: {
      certificates: submission.certificates.map(toBase64),
      segments: submission.segments.map(({ logId, fromSeq, update }) => ({
        ...{ logId, fromSeq, update: toBase64(update) },
      })),
      objects: submission.objects.map(toBase64),
    },
  }
  const plain = new TextEncoder().encode(JSON.stringify(said))
  return boxWith(secret, 'answer', { nonce: bytes(12), plain })
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
