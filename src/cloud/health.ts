// Whether this process runs, and whether it can work: what an orchestrator asks, without a token.
import type { FastifyInstance } from 'fastify'
import type { Database } from './database.ts'

export function addHealthRoutes(app: FastifyInstance, database: Database): void {
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async () => {
    await database.query('SELECT 1 AS ready')
    return { status: 'ready' }
  })
}
