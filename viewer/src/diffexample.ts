// One Trial of two runs: prompt, answers and scores side by side.

import { diffTexts } from "./difftext";
import { h } from "./dom";
import * as parts from "./parts";
import { decimal, line, pretty, shown } from "./text";
import { type Steps, stepsPart } from "./transcript";
import type { Answer, RequestSent, Scores } from "./types";

let inline = false; // how answers are shown; kept from one example to the next

export function answerOf(body: Record<string, any>, side: "a" | "b"): Answer | null {
  return body[`response_${body.same ? "a" : side}`] as Answer | null;
}

function requestOf(body: Record<string, any>, side: "a" | "b"): RequestSent | null {
  return body[`request_${body.same ? "a" : side}`] as RequestSent | null;
}

function hasSide(body: Record<string, any>, side: "a" | "b"): boolean {
  return body.same || Boolean(body[`response_${side}`] ?? body[`failure_${side}`]);
}

// What each side was sent, marked word by word where that differs: a changed template or system prompt shows here.
export function promptPart(body: Record<string, any>): HTMLElement {
  const inputs = { a: body.input_a ?? body.input, b: body.input };
  const [before, after] = (["a", "b"] as const).map((side) => parts.sent(requestOf(body, side), inputs[side]));
  const [left, right] = [parts.inputText(before), parts.inputText(after)];
  const edited = body.input_a !== null;
  const rest = [
    body.expected?.length ? h("h3", {}, "Expected") : null,
    parts.expectedPart(body.expected),
    parts.details("Other fields", body.fields),
  ];
  const [ours, theirs] = [requestOf(body, "a"), requestOf(body, "b")];
  if (left === right || !hasSide(body, "a") || !hasSide(body, "b")) {
    const side = hasSide(body, "b") ? "b" : "a";
    return parts.section(
      "Prompt",
      parts.input(side === "b" ? after : before),
      parts.examplePart(requestOf(body, side), inputs[side]),
      ...optionsParts(ours, theirs),
      ...rest,
    );
  }
  const found = diffTexts(left, right);
  return parts.section(
    edited ? "Prompt, edited" : "Prompt, sent differently",
    h(
      "div",
      { class: "columns" },
      parts.block("Prompt of the baseline", found.before),
      parts.block("Prompt of the candidate", found.after),
    ),
    edited ? null : parts.examplePart(theirs ?? ours, body.input),
    ...optionsParts(ours, theirs),
    ...rest,
  );
}

function optionsParts(ours: RequestSent | null, theirs: RequestSent | null): (HTMLElement | null)[] {
  if (pretty(ours?.options ?? {}) === pretty(theirs?.options ?? {})) return [parts.optionsPart(theirs)];
  return [parts.optionsPart(ours, "the baseline's request"), parts.optionsPart(theirs, "the candidate's request")];
}

export function answersPart(body: Record<string, any>, sides: ({ word: string; tone: string } | null)[]): Node[] {
  const [before, after] = [answerOf(body, "a"), answerOf(body, "b")];
  const found = before && after && !body.same ? diffTexts(parts.answerText(before), parts.answerText(after)) : null;
  const side = (title: string, place: number, answer: Answer | null, marked: Node[] | undefined): HTMLElement => {
    const given = sides[place];
    const failure = body[`failure_${body.same ? "a" : "ab"[place]}`];
    const rest = answer ? parts.answerPart({ ...answer, text: "", value: undefined }).slice(answer.tool_calls?.length ? 0 : 1) : [];
    const content = marked ? [parts.block(`Answer of the ${title.toLowerCase()}`, marked), ...rest] : parts.answerPart(answer);
    return h(
      "section",
      { "aria-label": title },
      h("h3", {}, title, " ", given ? parts.badge(given.word, given.tone) : parts.badge("no such trial", "note")),
      parts.failurePart(failure),
      ...content,
      parts.facts([
        ["Finish", answer?.finish_reason],
        ["Usage", parts.tokens(answer?.usage)],
        ["Served by", answer?.model],
        ["Fingerprint", answer?.fingerprint],
      ]),
    );
  };
  const two = h("div", { class: "columns" }, side("Baseline", 0, before, found?.before), side("Candidate", 1, after, found?.after));
  if (!found) return [parts.section(body.same ? "Answers: the same" : "Answers", two)];
  const one = parts.block("Both answers in one", found.inline);
  const shownNow = (): void => {
    two.hidden = inline;
    one.hidden = !inline;
    toggle.textContent = inline ? "Show side by side" : "Show inline";
  };
  const toggle = h("button", {
    type: "button",
    class: "quiet",
    click: () => {
      inline = !inline;
      shownNow();
    },
  });
  shownNow();
  const paths = found.paths.length
    ? h(
        "p",
        { class: "paths" },
        "Differs at ",
        ...found.paths.slice(0, 20).flatMap((path, place) => [place ? ", " : "", h("code", {}, line(path))]),
      )
    : null;
  return [
    parts.section("Answers", h("p", { class: "said" }, `Compared ${found.how}. `, toggle), paths, two, one),
    ...stepsPart(before, after, body.steps as Steps | null),
    ...partsPart(before, after),
  ];
}

// Parts beside the text that differ, each word by word.
function partsPart(before: Answer | null, after: Answer | null): Node[] {
  const names = [...new Set([...Object.keys(before?.kept ?? {}), ...Object.keys(after?.kept ?? {})])].sort();
  return names.flatMap((name) => {
    const [left, right] = [before, after].map((answer) => parts.partText(answer?.kept?.[name]));
    if (left === right) return [];
    const found = diffTexts(left, right);
    const two = [parts.block(`${name} of the baseline`, found.before), parts.block(`${name} of the candidate`, found.after)];
    const said = h("p", { class: "said" }, `Compared ${found.how}.`);
    return [parts.section(`Part that differs: ${line(name)}`, said, h("div", { class: "columns" }, ...two))];
  });
}

export function scoresPart(body: Record<string, any>): Node[] {
  const [before, after] = [body.scores_a, body.same ? body.scores_a : body.scores_b] as (Scores | null)[];
  if (!before && !after) return [];
  const names = [...new Set([...Object.keys(before?.values ?? {}), ...Object.keys(after?.values ?? {})])].sort();
  const value = (scores: Scores | null, name: string): string => {
    const found = scores?.values[name];
    return found === undefined ? "–" : decimal(found);
  };
  const move = (name: string): number | null => {
    const [a, b] = [before?.values[name], after?.values[name]];
    return a === undefined || b === undefined ? null : b - a;
  };
  const rows = names.map((name) => {
    const by = move(name);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, line(name)),
      h("td", { class: "number" }, value(before, name)),
      h("td", { class: "number" }, value(after, name)),
      h(
        "td",
        { class: `number ${by ? (by < 0 ? "worse" : "better") : ""}` },
        by === null ? "–" : by === 0 ? "0" : `${by > 0 ? "+" : "−"}${decimal(Math.abs(by))}`,
      ),
    );
  });
  const text = (name: string, of: (scores: Scores) => string | null): HTMLElement =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      ...[before, after].map((scores) => h("td", { dir: "auto" }, ...shown((scores && of(scores)) ?? "–"))),
      h("td", {}),
    );
  return [
    parts.section(
      "Scores",
      h(
        "div",
        { class: "wide", tabindex: "0", role: "group", "aria-label": "Scores of both" },
        h(
          "table",
          { class: "small" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ...["Score", "Baseline", "Candidate", "Change"].map((title, place) =>
                h("th", { scope: "col", class: place ? "number" : "" }, title),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            ...rows,
            before?.label || after?.label ? text("label", (scores) => scores.label) : null,
            before?.explanation || after?.explanation ? text("why", (scores) => scores.explanation) : null,
          ),
        ),
      ),
    ),
  ];
}
