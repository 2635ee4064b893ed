//! How the page looks: in light and dark, on a wall and on a phone.
#![forbid(unsafe_code)]

pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--text:#1b2530;--soft:#5b6875;\
--line:#dde2e8;--accepted:#18805c;--passed:#3d74c4;--refused:#c4412f}\
@media(prefers-color-scheme:dark){:root{--page:#12171d;--card:#1b222b;--text:#e6ebf0;\
--soft:#9aa7b4;--line:#303a45;--accepted:#3fb98c;--passed:#6ea3ee;--refused:#f07a68}}\
*{box-sizing:border-box}\
body{margin:0 auto;padding:1.25rem;max-width:66rem;background:var(--page);color:var(--text);\
font:1rem/1.45 system-ui,sans-serif}\
h1{margin:0;font-size:1.5rem}\
h2{margin:0 0 .75rem;font-size:1.1rem;overflow-wrap:anywhere}\
h2 small{padding:.1rem .45rem;margin-right:.35rem;border:1px solid var(--line);\
border-radius:.3rem;color:var(--soft);font-size:.8rem;font-weight:400}\
p{margin:.15rem 0;color:var(--soft)}\
section{margin-top:1.25rem;padding:1rem;border:1px solid var(--line);border-radius:.6rem;\
background:var(--card)}\
svg{display:block;width:100%}\
.all{height:.9rem;border-radius:.3rem;background:var(--line)}\
td svg{height:.7rem;min-width:3rem}\
.times{height:4rem;margin-top:.5rem;border-bottom:1px solid var(--line)}\
.accepted{fill:var(--accepted);color:var(--accepted)}\
.passed{fill:var(--passed);color:var(--passed)}\
.refused{fill:var(--refused);color:var(--refused)}\
ul{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;margin:.5rem 0 1rem;padding:0;list-style:none}\
li b{font-size:1.15rem}\
.halves{display:grid;grid-template-columns:9fr 4fr;gap:1.75rem}\
table{width:100%;border-collapse:collapse}\
th,td{padding:.28rem .5rem;border-bottom:1px solid var(--line);text-align:left;\
vertical-align:middle}\
th:first-child,td:first-child{padding-left:0}\
th:last-child,td:last-child{padding-right:0}\
th{color:var(--soft);font-size:.85rem;font-weight:400}\
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
.why{color:var(--soft);font-size:.85rem}\
.bar{width:20%}\
.source{min-width:8rem;overflow-wrap:anywhere}\
.scale{display:flex;justify-content:space-between;font-size:.8rem}\
@media(max-width:44rem){body{padding:.75rem}section{padding:.75rem}\
.halves{grid-template-columns:1fr;gap:1rem}.why,.bar{display:none}\
.sources{font-size:.85rem}.sources th,.sources td{padding-left:.15rem;padding-right:.15rem}}";
