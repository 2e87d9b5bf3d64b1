"""The style sheet of report pages: light and dark, wide and narrow, screen and paper. No asset, no font to load."""

LIGHT = {
    "paper": "#f7f7f5",
    "card": "#ffffff",
    "ink": "#1a1e24",
    "soft": "#56606b",
    "line": "#d9dde2",
    "allowed": "#dcebe2",
    "track": "#e8ebee",
    "baseline": "#5a6470",
    "window": "#0a5db0",
    "good": "#176a3d",
    "bad": "#b3261e",
    "open": "#6b5300",
}
DARK = {
    "paper": "#0f1216",
    "card": "#171b21",
    "ink": "#e9ebee",
    "soft": "#a6afba",
    "line": "#323a44",
    "allowed": "#1d3a2b",
    "track": "#262c34",
    "baseline": "#aab3bd",
    "window": "#7ab7ff",
    "good": "#74d69f",
    "bad": "#ff9188",
    "open": "#e4c06a",
}


def _variables(palette: dict[str, str]) -> str:
    return ":root{" + "".join(f"--{name}:{value};" for name, value in palette.items()) + "}"


_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 Inter,"Segoe UI",system-ui,-apple-system,"Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
main,footer{max-width:1180px;margin:0 auto;padding:0 28px}
header{padding:40px 0 8px}
h1{font-size:32px;line-height:1.2;letter-spacing:-.02em;margin:0 0 16px;font-weight:680}
h2{font-size:22px;line-height:1.3;letter-spacing:-.01em;margin:0 0 4px;font-weight:660}
h3{font-size:16px;margin:30px 0 2px;font-weight:640}
p{margin:0 0 12px;max-width:76ch}
a{color:var(--window);text-underline-offset:2px}
a:focus-visible{outline:2px solid var(--window);outline-offset:2px}
.eyebrow{color:var(--soft);font-weight:600;margin:0 0 6px}
.variant,.soft,.against{color:var(--soft);font-weight:400}
.verdict{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:center;font-size:17px;max-width:none}
.verdict .badge{font-size:17px}
.badge{display:inline-flex;gap:7px;align-items:center;font-weight:640;white-space:nowrap;vertical-align:bottom}
.badge svg{flex:none;fill:currentColor}
.badge .sign{fill:none;stroke:var(--card);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}
.facts{display:flex;flex-wrap:wrap;gap:14px 40px;margin:22px 0 0;padding:16px 0;
border:solid var(--line);border-width:1px 0}
.facts dt{color:var(--soft);font-size:13px}
.facts dd{margin:0;font-weight:560}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:24px 28px 28px;margin:24px 0}
.first{margin:8px 0 0;padding:0;list-style:none}
.first li{display:grid;grid-template-columns:minmax(0,230px) 1fr;gap:2px 20px;
padding:9px 0;border-top:1px solid var(--line)}
.first li:first-child{border-top:0}
.first a{font-weight:600}
.legend{display:flex;flex-wrap:wrap;gap:4px 22px;list-style:none;margin:14px 0 0;padding:0;
color:var(--soft);font-size:13px}
.legend li{display:flex;gap:7px;align-items:center}
table{border-collapse:collapse;width:100%;margin:10px 0 0}
caption{text-align:left;color:var(--soft);font-size:13px;padding:0 0 8px;max-width:90ch}
th,td{text-align:left;vertical-align:middle;padding:12px 16px 12px 0;border-top:1px solid var(--line);font-weight:400}
thead th{border-top:0;color:var(--soft);font-size:13px;padding-top:0;padding-bottom:8px;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
tbody th b{font-weight:640}
tbody th .meaning{display:block;color:var(--soft);font-size:13px;line-height:1.45;max-width:52ch;margin-top:2px}
td small,td .why,.small{display:block;color:var(--soft);font-size:12.5px;line-height:1.4}
td .badge{white-space:normal}
.rates,.metrics,.features{table-layout:fixed}
.rates th:nth-child(1){width:22%}.rates th:nth-child(2){width:39%}
.metrics thead th:nth-child(1){width:25%}.metrics thead th:nth-child(2){width:29.5%}
.metrics thead th:nth-child(3){width:9.5%}.metrics thead th:nth-child(4){width:13%}
.metrics thead th:nth-child(6){width:12.5%}
.features thead th:nth-child(1){width:25%}.features thead th:nth-child(2){width:33%}
.rates tr:nth-child(even) th,.rates tr:nth-child(even) td{border-top:0;padding-top:0}
.pair svg+p{margin-top:10px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:12px 48px;align-items:start;margin:18px 0 0}
.score{font-size:44px;line-height:1.1;font-weight:680;letter-spacing:-.03em;margin:4px 0 2px}
.rank{white-space:nowrap;font-weight:560}
.label{display:none;color:var(--soft);font-size:13px}
data{white-space:nowrap}
tr:target th b{text-decoration:underline;text-decoration-thickness:2px;text-underline-offset:4px}
svg{display:block;max-width:100%}
td>svg,td>div>svg{height:auto}
.tick{fill:var(--soft);font-size:11.5px}
.name{fill:var(--ink);font-size:13px}
.axis{stroke:var(--line);stroke-width:1.5}
.neutral{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:2 3}
.allowed{fill:var(--allowed)}
.track{fill:var(--track)}
.mark{stroke-width:2.5}
.mark.baseline{fill:var(--card);stroke:var(--baseline)}
.mark.window{fill:var(--window);stroke:var(--card);stroke-width:1.5}
.mark.violated{fill:var(--bad);stroke:var(--card);stroke-width:1.5}
.shift{stroke-width:2.5}
.shift.window,.interval.window{stroke:var(--window)}
.shift.violated,.interval.violated{stroke:var(--bad)}
.interval{fill:none;stroke-width:1.5}
.bar.window{fill:var(--window)}
.bar.violated{fill:var(--bad)}
.bar.others{fill:var(--baseline)}
.bar.baseline{fill:var(--card);stroke:var(--baseline);stroke-width:1.5}
.was{stroke:var(--ink);stroke-width:2.5}
.slope{fill:none;stroke:var(--baseline);stroke-width:1.5}
.slope.moved{stroke:var(--window);stroke-width:2.5}
.slope.top{stroke:var(--bad);stroke-width:3}
.limit{stroke:var(--ink);stroke-width:2}
.driver{font-size:17px;max-width:70ch}
.driver b{font-weight:660}
figure{margin:0}
figcaption{color:var(--soft);font-size:13px;margin:0 0 6px}
footer{color:var(--soft);font-size:13px;padding-bottom:40px}
"""

_NARROW = """
main,footer{padding:0 14px}
header{padding-top:26px}
h1{font-size:25px}
section{padding:18px 16px 20px;margin:16px 0}
.facts{display:grid;grid-template-columns:1fr 1fr;gap:12px 20px}
.facts div:first-child{grid-column:1/-1}
.first li,.pair{grid-template-columns:minmax(0,1fr)}
table,caption,tbody,th,td{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tbody tr{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:8px 14px;
border-top:1px solid var(--line);padding:16px 0 14px}
.features tbody tr{grid-template-columns:repeat(4,minmax(0,1fr))}
.rates tbody tr:nth-child(even),tbody tr:first-child{border-top:0;padding-top:2px}
tbody tr th,tbody tr td,.rates tr:nth-child(even) td{border:0;padding:0;width:auto}
tbody tr th,td.plot{grid-column:1/-1}
.rates tbody th:nth-child(1){width:auto}
.metrics td:last-child{grid-column:1/-1}
.metrics td:last-child .label{display:none}
.label{display:block}
.plot .label{display:none}
tbody th .meaning{max-width:none}
"""

_PRINT = """
body{font-size:10.5pt;background:none}
main,footer{max-width:none;padding:0}
section{border:0;padding:0;margin:22pt 0 0;border-radius:0}
td{font-size:9pt}
th,td{padding-right:8pt}
td .badge{font-size:9pt;gap:3pt}
tr,.first li,.facts,.pair{break-inside:avoid}
h2,h3,caption,thead{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
"""

STYLE = (
    _variables(LIGHT)
    + _RULES
    + f"@media screen and (prefers-color-scheme:dark){{{_variables(DARK)}}}\n"
    + f"@media screen and (max-width:920px){{{_NARROW}}}\n"
    + f"@media print{{{_PRINT}}}\n"
)
