// The top of a run: what was run, and the results per model and probe with their intervals.

import { MARKS } from "./diffoverview";
import { h } from "./dom";
import * as parts from "./parts";
import { intervalPlot } from "./plots";
import { link } from "./route";
import { labelOf, nounOf, promptsPart, testedBy, testedIn } from "./subjects";
import { count, decimal, figure, line, many, percent, rate, unanswered, words } from "./text";
import type { Interval, MemberSummary, RunHead } from "./types";

export function runOverview(head: RunHead): Node[] {
  const { manifest, summary } = head;
  const answered = summary.statuses.success ?? 0;
  const level = percent(summary.confidence_level).replace(".0", "");
  const models = testedIn(manifest).length > 1;
  const prompted = Boolean(manifest.prompts?.length);
  const facts = parts.facts([
    ["Run", summary.run_id.slice(0, 12)],
    ["Models", manifest.models.map((model) => model.id).join(", ")],
    ["Prompts", (manifest.prompts ?? []).map((prompt) => prompt.id).join(", ")],
    [
      "Datasets",
      (manifest.datasets ?? [])
        .map((dataset) => `${dataset.name}${dataset.selected === undefined ? "" : ` (${count(dataset.selected)})`}`)
        .join(", "),
    ],
    ["Answered", `${count(answered)} of ${many(summary.trials, "trial")}`],
    ["Not answered", unanswered(summary.statuses)],
    ["Repeats", manifest.repeats && manifest.repeats > 1 ? String(manifest.repeats) : null],
  ]);
  const rows = summary.results.flatMap((member) => results(member, level, models, listed(head, member)));
  const titles = [
    ...(models ? [nounOf(manifest)] : []),
    "Probe",
    "Measure",
    "Value",
    `${level} interval`,
    "",
    "Examples",
    "Not answered",
    "Tokens",
  ];
  const table = h(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": "Results" },
    h(
      "table",
      { class: "results" },
      h("thead", {}, h("tr", {}, ...titles.map((title) => (title ? h("th", { scope: "col" }, title) : h("td", {}))))),
      ...rows,
    ),
  );
  const title = models ? `Results per model${prompted ? ", prompt" : ""} and probe` : "Results per probe";
  const doubts = head.doubts?.length ? h("ul", { class: "first" }, ...head.doubts.map((doubt) => h("li", {}, line(doubt)))) : null;
  const gate = gatePart(head);
  return [...(gate ? [gate] : []), facts, parts.section(title, doubts, table, promptsPart(manifest))];
}

// What the conditions that the gate states of a run came to; only pages that were asked for with them have it.
function gatePart({ verdict }: RunHead): HTMLElement | null {
  if (!verdict) return null;
  const title = h("h2", { id: "verdict" }, MARKS[verdict.state], h("span", { class: "policy" }, ` gate: ${verdict.told}`));
  const reasons = h("ul", {}, ...verdict.reasons.map((reason) => h("li", {}, line(reason))));
  return h("section", { class: `verdict ${verdict.state}`, "aria-labelledby": "verdict" }, title, reasons);
}

function results(member: MemberSummary, level: string, models: boolean, href: string): HTMLElement[] {
  const scores = Object.entries(member.scores)
    .filter(([name]) => name !== "correct" || !member.scored)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const lines: [string, string, Interval | null, boolean][] = scores.map(([name, interval]) => [
    words(name),
    decimal(interval.value),
    interval,
    false,
  ]);
  const { accuracy, kappa, sensitivity, specificity } = member.agreement ?? {};
  for (const [name, found] of Object.entries({ accuracy, kappa, sensitivity, specificity }))
    if (found) lines.push([`judge against people: ${name}`, decimal(found.value), found, false]);
  if (member.scored || !lines.length) lines.unshift(["passed", rate(member.passed, member.scored), member.pass_rate, true]);
  const rows = lines.map(([name, value, interval, share], place) =>
    h(
      "tr",
      {},
      ...(place
        ? []
        : [
            ...(models ? [h("td", { rowspan: lines.length }, line(labelOf(testedBy(member))))] : []),
            h("th", { scope: "row", rowspan: lines.length }, h("a", { href: href }, line(member.probe))),
          ]),
      h("td", {}, line(name)),
      h("td", { class: "number" }, value),
      h("td", { class: "number" }, limits(interval, share)),
      h("td", {}, interval ? plot(interval, name, level) : ""),
      h("td", { class: "number" }, interval ? count(interval.n) : "–"),
      ...(place
        ? []
        : [
            h("td", { rowspan: lines.length }, missing(member)),
            h("td", { class: "number", rowspan: lines.length }, parts.tokens(member.usage).replace(" tokens", "") || "–"),
          ]),
    ),
  );
  return [h("tbody", {}, ...rows)];
}

function listed(head: RunHead, member: MemberSummary): string {
  const several = {
    probe: head.dictionaries.probe.length > 1 && member.probe,
    model: head.dictionaries.model.length > 1 && labelOf(testedBy(member)),
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(several)) if (value) query.set(name, value);
  return link(null, query);
}

function missing(member: MemberSummary): string {
  const text = unanswered(member.statuses);
  return text === "–" ? text : `${text} of ${count(member.trials)}`;
}

function limits(interval: Interval | null, share: boolean): string {
  if (!interval || interval.low === null || interval.high === null) return "–";
  return share ? `${(interval.low * 100).toFixed(1)}–${percent(interval.high)}` : `${decimal(interval.low)}–${decimal(interval.high)}`;
}

function plot(interval: Interval, name: string, level: string): SVGElement {
  const ends = [interval.value, interval.low ?? interval.value, interval.high ?? interval.value];
  const [from, to] = [Math.min(0, ...ends), Math.max(1, ...ends)];
  const label =
    `${name}: ${figure(interval.value)}` +
    (interval.low === null ? "" : `, ${level} interval ${figure(interval.low)} to ${figure(interval.high ?? 0)}`);
  return intervalPlot({ ...interval, from, to, label });
}
