// SPDX-License-Identifier: Apache-2.0

// How the page of a report looks: light and dark as the reader's system is set, and on paper. Colours are
// those of Okabe and Ito, which colour-blind readers can distinguish; half of the causes have
// hatching besides, and every plot has its numbers in words and in a table.

import Correlation

/// The style sheet.
enum ReportStyle {
    static let sheet: StaticString = """

        :root { color-scheme: light dark; --page: #fff; --ink: #1c2126; --faint: #5b646d; --rule: #d5dade;
          --panel: #f5f7f8; --vermilion: #d55e00; --orange: #e69f00; --blue: #0072b2; --sky: #56b4e9;
          --green: #009e73; --purple: #b8578f; --yellow: #d9c72b; --grey: #868e96; --lane: #49535c;
          --succeeds: #bccbd8; --failed: #8c1d40; --loops: #1c2126; }
        @media (prefers-color-scheme: dark) { :root { --page: #14181b; --ink: #e4e8eb; --faint: #9aa5ae;
          --rule: #343c43; --panel: #1c2226; --vermilion: #f0793a; --orange: #f2b134; --blue: #3f93d3;
          --sky: #8bd0fa; --green: #26b88c; --purple: #dd8fbd; --yellow: #efe36b; --grey: #8d979f;
          --lane: #a9b4bd; --succeeds: #3c4d5c; --failed: #e0607e; --loops: #f4f7f9; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--page); color: var(--ink);
          font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
        header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1.25rem; }
        header { padding-top: 1.75rem; }
        h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .75rem; }
        h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
        h3 { font-size: .95rem; margin: 0 0 .25rem; }
        section { margin: 2rem 0; padding-top: 1.25rem; border-top: 1px solid var(--rule); }
        p { margin: .4rem 0; max-width: 52rem; }
        .note { color: var(--faint); font-size: .85rem; }
        .warning { border-left: 4px solid var(--failed); padding: .3rem .75rem; background: var(--panel); }
        .conclusions ol { margin: 0; padding-left: 1.4rem; }
        .conclusions li { margin: 0 0 .8rem; }
        .conclusions li.alarm > p:first-child { border-left: 4px solid var(--failed); padding-left: .6rem; }
        .conclusions li > p:first-child { font-weight: 600; overflow-wrap: anywhere; }
        dl.head { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
        dl.head dt { color: var(--faint); }
        dl.head dd { margin: 0; overflow-wrap: anywhere; }
        dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem;
          margin: 1.25rem 0 0; }
        dl.figures div { background: var(--panel); border: 1px solid var(--rule); border-radius: .5rem;
          padding: .55rem .8rem; display: flex; flex-direction: column-reverse; justify-content: flex-end; }
        dl.figures dt { color: var(--faint); font-size: .82rem; line-height: 1.3; }
        dl.figures dd { margin: 0; font-size: 1.5rem; font-weight: 600; line-height: 1.25;
          font-variant-numeric: tabular-nums; }
        .columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
          gap: 1.5rem 2rem; align-items: start; }
        .columns > * { min-width: 0; }
        .columns th, .columns td { padding-right: .7rem; }
        .scroll { overflow-x: auto; margin: .5rem 0; }
        table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
        table.wide { width: 100%; }
        caption { text-align: left; font-weight: 600; padding: 0 0 .3rem; }
        th, td { text-align: left; padding: .22rem .9rem .22rem 0; vertical-align: top;
          border-bottom: 1px solid var(--rule); }
        thead th { color: var(--faint); font-weight: 600; white-space: nowrap; border-bottom-color: var(--faint); }
        tbody th { font-weight: 500; white-space: nowrap; }
        th.n, td.n { text-align: right; white-space: nowrap; }
        tr.sum > * { font-weight: 600; border-top: 1px solid var(--faint); }
        td.path { overflow-wrap: anywhere; min-width: 14rem; }
        td.task { overflow-wrap: anywhere; min-width: 6rem; }
        td.zero { color: var(--faint); }
        .findings table { font-size: .8rem; }
        .findings th, .findings td { padding-right: .7rem; }
        .findings td[data-name="cause"] { white-space: nowrap; }
        th[title], dt[title] { cursor: help; }
        .glossary dl { columns: 24rem 2; column-gap: 2rem; margin: 0; font-size: .84rem; }
        .glossary dl div { break-inside: avoid; margin: 0 0 .3rem; }
        .glossary dt { font-weight: 600; display: inline; }
        .glossary dt::after { content: ": "; }
        .glossary dd { display: inline; margin: 0; color: var(--faint); }
        .mark { color: var(--failed); font-weight: 600; white-space: nowrap; }
        ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; margin: .4rem 0; padding: 0;
          font-size: .84rem; }
        ul.legend li { display: flex; align-items: center; gap: .4rem; }
        ul.legend svg { width: 1.1rem; height: .85rem; flex: none; }
        .plot { overflow-x: auto; margin: .5rem 0; }
        .plot svg { display: block; width: 100%; height: auto; }
        .plot { max-width: 38rem; }
        .plot.wide { max-width: none; }
        .plot.narrow, .printed { display: none; }
        @media (max-width: 44rem) { .plot.wide { display: none; } .plot.narrow { display: block; }
          header, main, footer { padding: 0 .75rem; } svg text { font-size: 13.5px; }
          table.stacked, .stacked :is(tbody, caption) { display: block; } .stacked thead { display: none; }
          th, td, .columns th, .columns td { padding-right: .5rem; } table { font-size: .76rem; }
          .stacked { font-size: .84rem !important; }
          .stacked tr { display: flex; flex-wrap: wrap; gap: 0 .9rem; padding: .35rem 0; align-items: baseline;
            border-bottom: 1px solid var(--rule); }
          .stacked :is(th, td) { border: 0; padding: 0; min-width: 0; text-align: left; }
          .stacked :is(th, td)::before { content: attr(data-name) " "; color: var(--faint); font-weight: 400; } }
        thead th button { all: unset; cursor: pointer; }
        thead th button:focus-visible, .choice:focus-visible { outline: 2px solid var(--blue); }
        th[aria-sort] button::after { content: " \\2193"; } th[aria-sort="ascending"] button::after { content: " \\2191"; }
        .choice { cursor: pointer; } tr.choice:hover > * { background: var(--panel); }
        svg .out { opacity: .12; } li.out { opacity: .45; }
        .plot[data-bins] svg { touch-action: pan-y; user-select: none; }
        svg .brush { fill: var(--ink); opacity: .14; pointer-events: none; }
        #tip { position: fixed; z-index: 2; background: var(--ink); color: var(--page); padding: .15rem .5rem;
          border-radius: .3rem; font-size: .82rem; pointer-events: none; }
        #filter { position: fixed; z-index: 1; left: 50%; bottom: .75rem; transform: translateX(-50%); margin: 0;
          background: var(--panel); border: 1px solid var(--faint); border-radius: .5rem; padding: .4rem .8rem;
          width: max-content; max-width: calc(100vw - 1rem); overflow-wrap: anywhere; }
        #tip[hidden], #filter[hidden], tr[hidden] { display: none; }
        svg.defs { position: absolute; width: 0; height: 0; }
        svg text { font-size: 12px; fill: var(--ink); }
        svg text.faint { fill: var(--faint); }
        svg .axis { stroke: var(--faint); stroke-width: 1; }
        svg .grid { stroke: var(--rule); stroke-width: 1; }
        svg .lane { fill: var(--lane); }
        svg .track { fill: var(--panel); }
        svg .succeeds { fill: var(--succeeds); } svg .failed { fill: var(--failed); } svg .loops { fill: var(--loops); }
        svg .failed-hatched { fill: url(#failed-hatched); }
        svg .chance { stroke: var(--ink); stroke-width: 2; }
        svg .chance-range { fill: var(--ink); opacity: .35; }
        svg .during { fill: var(--lane); opacity: .8; }
        svg .vermilion { fill: var(--vermilion); } svg .orange { fill: var(--orange); }
        svg .blue { fill: var(--blue); } svg .sky { fill: var(--sky); } svg .green { fill: var(--green); }
        svg .purple { fill: var(--purple); } svg .yellow { fill: var(--yellow); } svg .grey { fill: var(--grey); }
        svg .none { fill: none; stroke: var(--faint); stroke-width: 1; }
        svg .hatch { stroke: var(--page); stroke-width: 2; }
        svg .vermilion-hatched { fill: url(#vermilion-hatched); } svg .orange-hatched { fill: url(#orange-hatched); }
        svg .blue-hatched { fill: url(#blue-hatched); } svg .sky-hatched { fill: url(#sky-hatched); }
        svg .green-hatched { fill: url(#green-hatched); } svg .purple-hatched { fill: url(#purple-hatched); }
        svg .yellow-hatched { fill: url(#yellow-hatched); } svg .grey-hatched { fill: url(#grey-hatched); }
        footer { color: var(--faint); font-size: .82rem; padding-bottom: 2rem; }
        @media print {
          :root { color-scheme: light; --page: #fff; --ink: #000; --faint: #444; --rule: #bbb; --panel: #fff;
            --vermilion: #d55e00; --orange: #e69f00; --blue: #0072b2; --sky: #56b4e9; --green: #009e73;
            --purple: #b8578f; --yellow: #d9c72b; --grey: #868e96; --lane: #444; --succeeds: #bccbd8;
            --failed: #8c1d40; --loops: #000; }
          @page { margin: 14mm; }
          * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
          :root { font-size: 14px; } body { font-size: 9pt; line-height: 1.4; }
          header, main, footer { max-width: none; padding: 0; }
          section { break-inside: auto; margin: .5rem 0; padding-top: .35rem; }
          h2, h3, caption, ul.legend { break-after: avoid; }
          .plot, tr, dl.figures, ul.legend, section:not(.findings) .scroll { break-inside: avoid; }
          footer { display: none; }
          dl.figures { grid-template-columns: repeat(7, 1fr); gap: .4rem; }
          dl.figures div { padding: .2rem .4rem; } dl.figures dd { font-size: 1.2rem; } ul.legend { margin: .1rem 0; }
          .scroll, .plot { overflow: visible; }
          .plot.wide { display: block; } .plot.narrow, #filter, #tip { display: none; } .printed { display: block; }
          .findings tbody tr:nth-child(n+26) { display: none; }
          .screen { display: none; }
          .glossary dl { font-size: 6.5pt; line-height: 1.25; columns: 4; column-gap: 1.2em; }
          .glossary dl div { margin: 0 0 .15rem; }
          .plot svg { max-height: 60mm; } .plot:not(.wide) { max-width: 10cm; }
          .columns { grid-template-columns: 2fr 3fr; gap: .5rem 1rem; }
          table { font-size: 7.5pt; }
          th, td { padding: .12rem .45rem .12rem 0; }
          .note { font-size: 8pt; }
          .findings table { font-size: 7pt; width: 100%; }
          .findings th, .findings td { padding-right: .35rem; }
          td.task { min-width: 5.5em; white-space: nowrap; }
          p, .note { margin: .2rem 0; } .conclusions li { margin-bottom: .4rem; }
          td.path { min-width: 15em; }
          thead { display: table-header-group; break-inside: avoid; }
        }

        """

    static let hatched = ["vermilion", "orange", "blue", "sky", "green", "purple", "yellow", "grey", "failed"]
}

extension Cause {
    /// The class that paints it: the same in every report.
    var style: String {
        switch self {
        case .directIOInvalidation: "vermilion"
        case .dropCaches: "orange"
        case .fadvise: "orange-hatched"
        case .reclaim: "blue"
        case .truncate: "sky"
        case .holePunch: "green"
        case .blockZeroOut: "purple"
        case .swapOut: "blue-hatched"
        case .migration: "sky-hatched"
        case .collapse: "green-hatched"
        case .split: "purple-hatched"
        case .memoryFailure: "vermilion-hatched"
        case .zeroPage: "yellow"
        case .specialMapping: "yellow-hatched"
        case .other: "grey-hatched"
        case .unknown: "grey"
        }
    }
}
