import { describe, expect, it } from 'vitest'
import { auditSite, checked, fileOf, signerOf } from './site.ts'

describe('a true audit file', () => {
  it('is proven, with what is to be remarked', async () => {
    const { site, contents, sessions, bills } = auditSite()
    const report = await checked(await fileOf(contents, signerOf(site.cloud)), { rootKey: site.rootKey })
    expect(report.findings.filter(one => one.severity === 'wrong')).toEqual([])
    expect(report.verdict).toBe('proven-with-remarks')
    console.log(JSON.stringify(report, null, 1).slice(0, 6000), sessions.plain.sessionId, bills)
  })
})
