import { describe, expect, it } from 'vitest'
import { mendFrame } from '../../src/ocpp/frame.ts'

describe('a frame', () => {
  it('keeps the digits of a numeric id, whatever JSON makes of them', () => {
    for (const digits of ['17', '-0', '9223372036854775807', '1e400', '0.10']) {
      const { callId, numericId, repairs } = mendFrame(`,[2 , ${digits} ,"Heartbeat",{}]`)
      expect({ callId, numericId }).toEqual({ callId: digits, numericId: digits })
      expect(repairs).toEqual(['bad-json', 'numeric-message-id'])
    }
    expect(mendFrame(`[2,${'1'.repeat(100)},"Heartbeat",{}]`).callId).toBeUndefined()
  })

  it('loses stray commas and what stands around it, and nothing inside of texts', () => {
    const mended = (text: string): unknown => JSON.parse(mendFrame(text).text)
    expect(mended('\u0000\uFEFF ,[,2,"a","X",{,"k":[1,,2,],},]\u0000\r\n')).toEqual([
      2,
      'a',
      'X',
      { k: [1, 2] },
    ])
    expect(mended(',[2,"a","X",{"k":",,]\\",}"}]')).toEqual([2, 'a', 'X', { k: ',,]",}' }])
  })

  it('that cannot be mended passes as it is, or as something shorter that is as bad', () => {
    expect(mendFrame('[2,"a"').text).toBe('[2,"a"')
    expect(mendFrame('').text).toBe('')
    expect(mendFrame(`{${' '.repeat(5000)}`).text).toBe('[')
    const deep = `[2,7,"X",${'['.repeat(100)}${']'.repeat(100)}]`
    expect(mendFrame(deep)).toEqual({ text: deep, repairs: [] })
  })
})
