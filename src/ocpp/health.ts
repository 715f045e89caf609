// The one thing that the chargers' door says to anybody: whether this node can serve chargers now. For what moves a
// floating address to a box that can (bootstrap/keepalived.conf); a name or a number would be a gift to scanners.
import type { RequestListener } from 'node:http'

/** Answers plain requests: 200 or 503 at /health, 404 elsewhere, never a body. */
export function healthAnswer(healthy: () => boolean): RequestListener {
  return ({ method, url }, response) => {
    const isAsked = (method === 'GET' || method === 'HEAD') && url === '/health'
    response.writeHead(isAsked ? (healthy() ? 200 : 503) : 404, { connection: 'close' }).end()
  }
}
