import pg from 'pg'
import * as t from './dist/src/cloud/ticks.js'
const c = new pg.Client('postgres://postgres@127.0.0.1:55433/b1'); await c.connect()
let got
await t.tickRows(async (text, params) => { got = [text, params]; return {rows: []} }, {siteId:'S', chargerIds:['C']}, ['i'])
const site=(await c.query('select site_id from events limit 1')).rows[0].site_id
const ch=(await c.query('select distinct charger_id from events where site_id=$1 and charger_id is not null',[site])).rows.map(r=>r.charger_id)
const ids=(await c.query('select session_id from sessions where site_id=$1 limit 40',[site])).rows.map(r=>r.session_id)
for (const pre of ['SET enable_seqscan = off', 'SET jit = off']) { await c.query(pre)
const r=await c.query('explain (analyze, buffers, settings) '+got[0],[site,ch,ids]); console.log(r.rows.map(x=>x['QUERY PLAN']).join('\n')) }
await c.end()
