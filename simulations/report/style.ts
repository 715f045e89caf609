// How the page looks: system fonts, one column on a phone, light or dark as the reader's machine is set, and ink on paper in
// print. Colours are variables, which script.ts reads for the plots; each has a contrast of 4.5 or more on its ground.
const LIGHT = `--ground:#fcfcfa;--raised:#f3f4f1;--ink:#1c2126;--soft:#55606b;--line:#d5dade;--good:#14683a;--bad:#a8201a;
--tone1:#0b5cad;--tone2:#a4470a;--tone3:#6a3d9a;--tone4:#22695a;color-scheme:light`
const DARK = `--ground:#14181c;--raised:#1d2328;--ink:#e6e9ec;--soft:#a9b4be;--line:#39424b;--good:#74d39b;--bad:#ff968c;
--tone1:#74b6f5;--tone2:#f2a65a;--tone3:#c9aeec;--tone4:#78ccb8;color-scheme:dark`

export const STYLE = `:root{${LIGHT}}
@media (prefers-color-scheme:dark){:root:not(.paper){${DARK}}}
@media print{:root{${LIGHT}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;
font-variant-numeric:tabular-nums}
.page{max-width:62rem;margin:0 auto;padding:1rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0;overflow-wrap:anywhere}
h3{font-size:1rem;margin:1.5rem 0 .25rem}
h2{font-size:1.2rem;line-height:1.3;margin:2.5rem 0 .25rem}
p{margin:.4rem 0;max-width:44rem}
a{color:var(--tone1)}
.means,.note,.lead{color:var(--soft)}
.lead{overflow-wrap:anywhere}
.empty{color:var(--soft);font-style:italic}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:1rem 0 0;padding:0}
nav a{display:inline-block;padding:.3rem 0}
.verdict{margin:1rem 0;padding:.8rem 1rem;border:1px solid currentColor;border-left-width:.5rem;
border-radius:.3rem;background:var(--raised);font-size:1.15rem;max-width:none}
.verdict.good{color:var(--good)}
.verdict.bad{color:var(--bad)}
.verdict b{font-weight:600}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,13.5rem),1fr));gap:.8rem;margin:1rem 0}
.tiles>div{background:var(--raised);border-radius:.3rem;padding:.7rem .9rem;break-inside:avoid}
.tiles dt{font-weight:600;font-size:.95rem}
.tiles dd{margin:0;font-size:.9rem}
.tiles .value{font-size:1.5rem;line-height:1.35}
.scroll{overflow-x:auto;margin:1rem 0;
background:linear-gradient(90deg,var(--ground) 40%,transparent) 0/2.5rem 100% no-repeat local,
linear-gradient(270deg,var(--ground) 40%,transparent) 100%/2.5rem 100% no-repeat local,
linear-gradient(90deg,var(--line),transparent) 0/.7rem 100% no-repeat,
linear-gradient(270deg,var(--line),transparent) 100%/.7rem 100% no-repeat}
table{border-collapse:collapse;font-size:.92rem;min-width:min(100%,30rem)}
caption span{display:block;position:sticky;left:0;max-width:calc(100vw - 2rem)}
caption{text-align:left;color:var(--soft);padding-bottom:.4rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--line)}
thead th{font-weight:600;vertical-align:bottom;border-bottom:2px solid var(--line)}
tbody th{font-weight:400}
ul:not([class]){padding-left:1.2rem;max-width:44rem}
nav ul:not([class]){padding:0;max-width:none}
.figure{text-align:right;white-space:nowrap}
.figure:last-child{padding-right:0}
thead .figure{white-space:normal}
.findings{padding-left:1.5rem;max-width:52rem}
.findings li{margin:.6rem 0;overflow-wrap:anywhere}
.worse{color:var(--bad);font-weight:600}
pre{white-space:pre-wrap;background:var(--raised);border-radius:.3rem;padding:.6rem .8rem;font-size:.9rem;margin:.5rem 0}
code{font-family:ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--tone1);padding:.3rem 0;width:fit-content}
:focus-visible{outline:2px solid var(--tone1);outline-offset:2px}
figure{margin:1.5rem 0;break-inside:avoid}
figcaption{font-weight:600}
figure .note{font-size:.9rem}
.canvas{min-height:14rem;margin-top:.3rem}
.uplot,.u-legend{color:var(--ink)}
.uplot{max-width:100%}
.u-legend{font-size:.85rem;text-align:left;margin:0}
.u-legend .u-series:first-child th{padding-left:0}
.u-legend th,.u-legend td{border:0;padding:0 .2rem}
.u-legend th{font-weight:400}
.u-legend table,table.u-legend{min-width:0}
.u-select{background:var(--ink);opacity:.1}
.bars{list-style:none;margin:1rem 0;padding:0;display:grid;gap:.6rem}
.bars .name{display:block;font-size:.92rem}
.bar{display:flex;gap:2px;height:1.5rem;overflow:hidden;border-radius:.2rem}
.bar i,.key i{display:block;min-width:3px;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin:.6rem 0;padding:0;font-size:.9rem}
.key li{display:flex;align-items:center;gap:.4rem}
.key i{width:1.4rem;height:1rem;border-radius:.15rem}
.served{background:var(--tone1)}
.right{background:var(--raised);border:1px solid var(--soft)}
.taken{background:repeating-linear-gradient(90deg,var(--soft) 0 2px,transparent 2px 6px);border:1px solid var(--soft)}
.refused{background:repeating-linear-gradient(45deg,var(--bad) 0 4px,transparent 4px 8px);border:1px solid var(--bad)}
.wrongly{background:var(--bad)}
.rest{border:1px dotted var(--soft)}
@media (max-width:30rem){h1{font-size:1.35rem}.verdict{font-size:1.05rem}th,td{padding-right:.4rem}table{font-size:.82rem}}
@page{margin:14mm}
@media print{nav,summary{display:none}.tiles>div{border:1px solid var(--line)}
.tiles{grid-template-columns:repeat(4,1fr)}.bars{break-inside:avoid}
.means{break-after:avoid}body{font-size:10pt}.page{max-width:none;padding:0}.scroll{overflow:visible}
pre code{white-space:pre-wrap;overflow-wrap:anywhere}h3{font-size:1rem;margin:1.5rem 0 .25rem}
h2{break-after:avoid}tr{break-inside:avoid}}
`
