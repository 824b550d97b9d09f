// The top of a comparison: the verdict with its evidence, and what changed per probe.

import { h } from "./dom";
import * as parts from "./parts";
import { intervalPlot, shareBar } from "./plots";
import { link } from "./route";
import { count, line, many, points, pValue, tellP, words } from "./text";
import type { DiffHead, Evidence, ModelPair, Tally, TrialName } from "./types";

export const MARKS = { passed: "✓ Passed", failed: "✗ Failed", inconclusive: "? Inconclusive" };

export function pairName(pair: ModelPair): string {
  if (pair.baseline === pair.candidate) return pair.baseline ?? "";
  return `${pair.baseline ?? "(none)"} → ${pair.candidate ?? "(none)"}`;
}

// The cause before the effect: what is other in the experiment; `[-gone-]{+come+}` marks the words of a text.
export function changedPart(head: DiffHead): HTMLElement | null {
  const { changed } = head.comparison;
  if (!changed.length) return null;
  return parts.section("What changed", h("ul", { class: "causes" }, ...changed.map((text) => h("li", {}, ...marked(text)))));
}

function marked(text: string): Node[] {
  return text.split(/(\[-.*?-\]|\{\+.*?\+\})/s).map((piece) => {
    const inner = piece.slice(2, -2);
    if (piece.startsWith("[-") && piece.endsWith("-]")) return h("del", {}, line(inner));
    return piece.startsWith("{+") && piece.endsWith("+}") ? h("ins", {}, line(inner)) : h("span", {}, line(piece));
  });
}

export function verdictPart(head: DiffHead): HTMLElement {
  const { verdict, comparison } = head;
  const { assessment } = verdict;
  const evidence = assessment ? [...new Set([...assessment.reasons, assessment.overall.message])] : [];
  const beside = evidence.filter((text) => !verdict.reasons.some((reason) => reason.includes(text)));
  const statistical = !["changes", "regressions", "never"].includes(verdict.resolved);
  if (assessment && statistical) beside.push(`Gate: ${tellP(assessment.p_gate)} against alpha ${assessment.alpha}.`);
  const notes = [
    ...comparison.warnings,
    ...verdict.remarks,
    ...(assessment?.notes ?? []).map((note) => (note.probe ? `${note.probe}: ${note.text}` : note.text)),
  ];
  const look = verdict.look_first.map((name) =>
    h(
      "li",
      {},
      h("a", { href: trialLink(name) }, line(`${name.probe} / ${name.example_id}${name.repeat ? ` / repeat ${name.repeat}` : ""}`)),
    ),
  );
  return h(
    "section",
    { class: `verdict ${verdict.state}`, "aria-labelledby": "verdict" },
    h(
      "h2",
      { id: "verdict" },
      MARKS[verdict.state],
      h(
        "span",
        { class: "policy" },
        ` gate: ${words(verdict.policy)}${verdict.resolved === verdict.policy ? "" : `, that is ${words(verdict.resolved)}`}`,
      ),
    ),
    h("ul", {}, ...verdict.reasons.map((reason) => h("li", {}, line(reason)))),
    beside.length ? h("p", { class: "said" }, line(beside.join(" "))) : null,
    notes.length
      ? h(
          "details",
          { open: notes.length < 4 },
          h("summary", {}, many(notes.length, "note")),
          h("ul", {}, ...notes.map((note) => h("li", {}, line(note)))),
        )
      : null,
    look.length ? h("details", {}, h("summary", {}, "Look at these first"), h("ul", { class: "first" }, ...look)) : null,
    verdict.state === "failed" ? blameHint(comparison) : null,
  );
}

function blameHint({ baseline, candidate }: DiffHead["comparison"]): HTMLElement {
  const command = `insidellms blame ${baseline.label} ${candidate.label} --experiment FILE`;
  return h("p", { class: "said" }, "Who did it? ", h("code", {}, line(command)), " asks again with some of the changes.");
}

function trialLink(name: TrialName): string {
  return link([name.probe, name.dataset, name.example_id, pairName(name.models), name.repeat], new URLSearchParams());
}

export function sidesPart(head: DiffHead): HTMLElement {
  const { baseline, candidate, models, usage, pool } = head.comparison;
  const side = (run: typeof baseline): string => `${run.label} · ${run.run_id.slice(0, 12)} · ${many(run.trials, "trial")}`;
  const tokens = usage.trials
    ? `${count(usage.baseline_output_tokens)} → ${count(usage.candidate_output_tokens)} output in ${many(usage.trials, "trial")} that differ`
    : null;
  return parts.facts([
    ["Baseline", side(baseline)],
    ["Further baseline runs", pool.map((run) => run.label).join(", ")],
    ["Candidate", side(candidate)],
    ["Models", models.map(pairName).join(", ")],
    ["Tokens", tokens],
  ]);
}

export function probesPart(head: DiffHead): HTMLElement {
  const {
    comparison,
    verdict: { assessment },
  } = head;
  const several = comparison.models.length > 1;
  const evidence = new Map((assessment?.probes ?? []).map((item) => [item.probe, item]));
  const reach = Math.max(
    0.05,
    ...[...(assessment?.probes ?? []), ...(assessment ? [assessment.overall] : [])].flatMap((item) => [
      Math.abs(item.low ?? 0),
      Math.abs(item.high ?? 0),
    ]),
  );
  const titles = [
    "Probe",
    ...(several ? ["Models"] : []),
    "Passed, before → after",
    ...(assessment ? ["Effect with interval", "p (worse)"] : ["Change"]),
    "Trials by class",
    "",
  ];
  const row = (name: Node | string, models: string, tally: Tally, found: Evidence | undefined, tag: "th" | "td" = "th"): HTMLElement => {
    const paired = tally.paired;
    const change = paired.trials ? (paired.candidate_passed - paired.baseline_passed) / paired.trials : null;
    const classes = Object.entries(tally.classes).filter(([, number]) => number);
    const said = classes.map(([kind, number]) => `${count(number)} ${words(kind)}`).join(", ");
    return h(
      "tr",
      {},
      h(tag, tag === "th" ? { scope: "row" } : {}, name),
      several ? h("td", {}, line(models)) : null,
      h(
        "td",
        { class: "number" },
        paired.trials ? `${count(paired.baseline_passed)} → ${count(paired.candidate_passed)} of ${count(paired.trials)}` : "no verdicts",
      ),
      ...(assessment
        ? [h("td", {}, found ? effect(found, reach) : "–"), h("td", { class: "number" }, found ? pValue(found.p_worse) : "–")]
        : [h("td", { class: "number" }, change === null ? "–" : points(change))]),
      h("td", {}, shareBar(classes, said)),
      h("td", { class: "said" }, said),
    );
  };
  const filterLink = (probe: string): Node => h("a", { href: `#/?${new URLSearchParams({ probe })}` }, line(probe));
  const rows = comparison.probes.map((probe) =>
    row(
      filterLink(probe.probe),
      pairName(probe.models),
      probe.tally,
      evidence.get(several ? `${probe.probe} · ${probe.models.candidate}` : probe.probe),
    ),
  );
  if (comparison.probes.length !== 1) rows.push(row("all", "", comparison.overall, assessment?.overall));
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": "Changes by probe" },
    h(
      "table",
      { class: "results" },
      h("thead", {}, h("tr", {}, ...titles.map((title) => (title ? h("th", { scope: "col" }, title) : h("td", {}))))),
      h("tbody", {}, ...rows),
    ),
  );
}

function effect(found: Evidence, reach: number): Node | string {
  if (found.delta === null) return "–";
  const limits = found.low === null || found.high === null ? "" : ` [${points(found.low)}, ${points(found.high)}]`;
  const tone = found.high !== null && found.high < 0 ? "worse" : found.low !== null && found.low > 0 ? "better" : "";
  const label = `${points(found.delta)}${limits}`;
  return h(
    "span",
    { class: "effect" },
    intervalPlot({ value: found.delta, low: found.low, high: found.high, from: -reach, to: reach, label, zero: true, tone }),
    h("span", { class: "said" }, label),
  );
}
