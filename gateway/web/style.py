"""The look of the page. One sheet, no build step, nothing from outside: it has to work in a workshop without internet."""

CSS = """
:root {
  --ink: #18222f; --soft: #5d6b7c; --faint: #93a0af; --line: #e3e8ee; --paper: #ffffff; --ground: #f3f5f8; --brand: #0f4c75;
  --executing: #16915a; --waiting: #c98a0a; --stopped: #c8362f; --off: #6d7f94; --unknown: #a9b4c1;
  --executing-soft: #e6f5ee; --waiting-soft: #fcf3df; --stopped-soft: #fbe9e8; --off-soft: #ebeff4; --unknown-soft: #f0f2f5;
}
body { background: var(--ground); color: var(--ink); font-size: 14px; line-height: 1.4;
  font-family: Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC", system-ui, sans-serif; }
.nicegui-content { padding: 0; gap: 0; display: block; width: 100%; }
.cj-bar { background: var(--brand); color: #fff; display: flex; align-items: center; gap: 18px; padding: 10px 24px; min-height: 58px; }
.cj-mark { width: 34px; height: 34px; border-radius: 8px; background: #fff; color: var(--brand); font-weight: 700; font-size: 17px;
  display: flex; align-items: center; justify-content: center; flex: none; }
.cj-title { font-size: 19px; font-weight: 600; line-height: 1.2; }
.cj-place { font-size: 12px; opacity: .78; }
.cj-grow { flex: 1; }
.cj-chip { border: 1px solid rgba(255,255,255,.55); border-radius: 999px; padding: 3px 12px; font-size: 12.5px; background: rgba(255,255,255,.12); }
.cj-chip:empty, .cj-banner:empty, .cj-why:empty, .cj-interval:empty, .cj-note:empty { display: none; }
.cj-clock { font-size: 20px; font-variant-numeric: tabular-nums; letter-spacing: .02em; min-width: 92px; text-align: right; }
.cj-language { display: flex; border: 1px solid rgba(255,255,255,.45); border-radius: 8px; overflow: hidden; font-size: 13px; }
.cj-language a { color: #fff; text-decoration: none; padding: 4px 11px; }
.cj-language a.cj-on { background: #fff; color: var(--brand); font-weight: 600; }
.cj-language a:focus-visible { outline: 2px solid #ffd166; outline-offset: -2px; }
.cj-banner { background: #7a1f1a; color: #fff; padding: 8px 24px; font-weight: 500; }
.cj-main { padding: 16px 24px 20px; max-width: 1760px; margin: 0 auto; }
.cj-head { display: flex; align-items: center; gap: 14px; margin: 0 0 10px; min-height: 24px; flex-wrap: wrap; }
.cj-h2 { font-size: 15px; font-weight: 600; }
.cj-side { font-size: 12px; color: var(--soft); }
.cj-tally { display: flex; gap: 14px; flex-wrap: wrap; }
.cj-count { display: flex; align-items: center; gap: 6px; font-size: 12.5px; color: var(--soft); }
.cj-dot { width: 9px; height: 9px; border-radius: 3px; background: var(--tone, var(--unknown)); flex: none; }
.cj-count b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
.state-3 { --tone: var(--executing); --wash: var(--executing-soft); }
.state-2 { --tone: var(--waiting); --wash: var(--waiting-soft); }
.state-1 { --tone: var(--stopped); --wash: var(--stopped-soft); }
.state-0 { --tone: var(--off); --wash: var(--off-soft); }
.state-unknown { --tone: var(--unknown); --wash: var(--unknown-soft); }
.state-register { --tone: #d4dbe3; --wash: var(--unknown-soft); }
.cj-tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(176px, 1fr)); gap: 10px; margin-bottom: 18px; }
.cj-tile { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; display: flex;
  flex-direction: column; min-height: 122px; }
.cj-strip { height: 5px; background: var(--tone); }
.state-unknown .cj-strip { background: repeating-linear-gradient(135deg, var(--unknown) 0 6px, #dfe4ea 6px 12px); }
.cj-body { padding: 8px 12px 9px; display: flex; flex-direction: column; flex: 1; }
.cj-name { font-weight: 600; font-size: 14px; line-height: 1.25; overflow-wrap: anywhere; }
.cj-second { display: flex; gap: 6px; align-items: baseline; }
.cj-where { font-size: 11.5px; color: var(--faint); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.cj-states { display: flex; align-items: center; gap: 6px; margin: 7px 0 8px; }
.cj-state { background: var(--wash); color: color-mix(in srgb, var(--tone) 82%, #000); border-radius: 5px; padding: 1px 7px;
  font-weight: 600; font-size: 12.5px; }
.state-register .cj-state, .state-unknown .cj-state { color: var(--soft); font-weight: 500; }
.cj-mode { font-size: 11.5px; color: var(--soft); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.cj-link { font-size: 11.5px; color: var(--soft); display: flex; align-items: center; gap: 4px;
  margin-left: auto; flex: none; }
.cj-link::before { content: ""; width: 7px; height: 7px; border-radius: 50%; background: var(--unknown); }
.link-up .cj-link::before { background: var(--executing); }
.link-down .cj-link { color: var(--stopped); font-weight: 600; }
.link-down .cj-link::before { background: var(--paper); border: 2px solid var(--stopped); }
.link-none .cj-link { display: none; }
.link-down .cj-figures, .link-unknown .cj-figures { opacity: .5; }
.cj-figures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px; }
.cj-label { font-size: 10.5px; color: var(--faint); white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.cj-figure { font-size: 15px; font-weight: 500; font-variant-numeric: tabular-nums; white-space: nowrap; display: flex;
  align-items: baseline; gap: 2px; }
.cj-unit { font-size: 10.5px; color: var(--soft); font-weight: 400; }
.cj-note { font-size: 11.5px; color: var(--stopped); margin-top: 3px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.state-register.cj-tile { background: transparent; border-style: dashed; border-color: #c5cfda; }
.cj-columns { display: grid; grid-template-columns: minmax(0, 1.12fr) minmax(0, 1fr); gap: 18px; align-items: start; }
@media (max-width: 1020px) { .cj-columns { grid-template-columns: minmax(0, 1fr); } .cj-bar { flex-wrap: wrap; } }
.cj-panel { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.cj-row { display: grid; grid-template-columns: minmax(0, 2fr) 112px minmax(0, 1fr) 76px; gap: 12px; padding: 7px 14px;
  border-top: 1px solid var(--line); align-items: center; }
.cj-row:first-child { border-top: 0; }
.cj-row.cj-names { font-size: 11.5px; color: var(--faint); padding: 6px 14px; }
.cj-row .cj-name { font-weight: 500; font-size: 13.5px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.cj-why { font-size: 11px; color: var(--faint); line-height: 1.35; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.cj-value { font-size: 15.5px; font-weight: 600; font-variant-numeric: tabular-nums; text-align: right; overflow-wrap: anywhere; }
.cj-interval { font-size: 12px; color: var(--soft); font-variant-numeric: tabular-nums; }
.cj-cover { font-size: 12px; color: var(--soft); text-align: right; font-variant-numeric: tabular-nums; }
.cj-names .cj-value, .cj-names .cj-cover { font: inherit; color: inherit; }
.cj-what:empty { min-height: 1px; }
.cj-track { position: relative; height: 5px; background: #edf1f5; border-radius: 3px; margin-top: 4px; }
.cj-track.cj-none { visibility: hidden; }
.cj-range { position: absolute; top: 0; bottom: 0; min-width: 2px; background: #9cc3de; border-radius: 3px; }
.cj-point { position: absolute; top: -2px; width: 3px; height: 9px; margin-left: -1.5px; background: var(--brand); border-radius: 1px; }
.cj-fill { position: absolute; top: 0; bottom: 0; left: 0; background: #8fb7a3; border-radius: 3px; }
.cj-verdicts { display: flex; flex-direction: column; gap: 8px; }
.cj-verdict { background: var(--paper); border: 1px solid var(--line); border-left: 5px solid var(--tone); border-radius: 10px;
  padding: 9px 14px 10px; }
.cj-top { display: flex; gap: 10px; align-items: baseline; }
.cj-outcome { background: var(--wash); color: color-mix(in srgb, var(--tone) 82%, #000); border-radius: 5px; padding: 1px 9px;
  font-weight: 600; font-size: 13px; flex: none; }
.cj-claim { font-weight: 600; overflow-wrap: anywhere; }
.cj-number { margin-left: auto; font-variant-numeric: tabular-nums; font-weight: 500; text-align: right; }
.cj-reason { margin-top: 3px; line-height: 1.35; font-size: 13px; color: #344253; overflow-wrap: anywhere; }
.cj-foot { font-size: 11.5px; color: var(--faint); margin-top: 3px; display: flex; gap: 14px; flex-wrap: wrap; }
.outcome-confirmed { --tone: var(--executing); --wash: var(--executing-soft); }
.outcome-refuted { --tone: var(--stopped); --wash: var(--stopped-soft); }
.outcome-undetermined { --tone: var(--waiting); --wash: var(--waiting-soft); }
.outcome-not_applicable { --tone: var(--off); --wash: var(--off-soft); }
.cj-stale .cj-tiles { opacity: .42; filter: grayscale(.8); }
.cj-quarantine { margin-top: 18px; }
.cj-quarantine.cj-empty { display: none; }
.cj-refused { padding: 6px 14px; border-top: 1px solid var(--line); }
.cj-refused:first-child { border-top: 0; }
.cj-limits { margin-top: 14px; font-size: 11.5px; color: var(--faint); }
"""
