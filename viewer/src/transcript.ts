// What two agents did, beside each other, step by step.

import { diffTexts } from "./difftext";
import { h } from "./dom";
import * as parts from "./parts";
import { line, pretty } from "./text";
import type { Answer, ToolCall } from "./types";

// Which step of the baseline is which of the candidate, and what changed: made by compare/answers/steps.py.
export interface Steps {
  pairs: [number | null, number | null][];
  told: string[];
}

interface Step {
  call: ToolCall;
  result?: string;
}

// The calls of an answer, in order, each with what the tool gave; as trajectories/steps.py has them.
function stepsOf(answer: Answer | null): Step[] {
  const steps: Step[] = [];
  const waiting: Step[] = [];
  for (const message of answer?.trajectory ?? []) {
    for (const call of message.tool_calls ?? []) {
      const step = { call };
      steps.push(step);
      waiting.push(step);
    }
    if (message.role !== "tool" || !waiting.length) continue;
    const place = waiting.findIndex(({ call }) => message.tool_call_id !== undefined && call.id === message.tool_call_id);
    waiting.splice(Math.max(place, 0), 1)[0].result = parts.contentText(message.content);
  }
  return [...steps, ...(answer?.tool_calls ?? []).map((call) => ({ call }))];
}

export function stepsPart(before: Answer | null, after: Answer | null, steps: Steps | null): Node[] {
  if (!steps || !(steps.told.length || before?.trajectory?.length || after?.trajectory?.length)) return [];
  const [ours, theirs] = [stepsOf(before), stepsOf(after)];
  const rows = steps.pairs.map(([a, b]) => pairRow(a === null ? null : ours[a], b === null ? null : theirs[b], a, b));
  const told = steps.told.map((one) => h("li", {}, line(one)));
  return [
    parts.section(
      told.length ? "Steps that differ" : "Steps: the same",
      told.length ? h("ul", { class: "told", dir: "auto" }, ...told) : null,
      h("ol", { class: "pairs" }, ...rows),
    ),
  ];
}

function pairRow(before: Step | null, after: Step | null, a: number | null, b: number | null): HTMLElement {
  const given = [before, after].map((step) => (step ? pretty(step.call.arguments ?? {}) : ""));
  const results = [before, after].map((step) => step?.result);
  const [moved, other] = [before && after && given[0] !== given[1], before && after && results[0] !== results[1]];
  const args = moved ? diffTexts(given[0], given[1]) : null;
  const gave = other ? diffTexts(results[0] ?? "", results[1] ?? "") : null;
  const changed = !before || !after || before.call.name !== after.call.name || moved || other;
  return h(
    "li",
    { class: `pair ${changed ? "moved" : ""}` },
    stepCell("baseline", before, a, args?.before, gave?.before),
    stepCell("candidate", after, b, args?.after, gave?.after),
  );
}

function stepCell(side: string, step: Step | null, place: number | null, args?: Node[], gave?: Node[]): HTMLElement {
  if (!step || place === null) return h("div", { class: "step none" }, h("p", { class: "nothing" }, `the ${side} has no such step`));
  const name = line(step.call.name);
  const of = `${name} in step ${place + 1} of the ${side}`;
  const asked = args ? parts.block(`Arguments of ${of}`, args, "json") : parts.jsonBlock(`Arguments of ${of}`, step.call.arguments ?? {});
  const result = gave ? parts.block(`Result of ${of}`, gave) : step.result ? parts.textBlock(`Result of ${of}`, step.result) : null;
  const folded = result && !gave ? h("details", {}, h("summary", {}, "Result"), result) : result;
  return h("div", { class: "step" }, h("p", { class: "role" }, `${side}, step ${place + 1}: `, h("code", {}, name)), asked, folded);
}
