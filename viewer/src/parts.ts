// The pieces that the page of an example is made of, for one run and for two.

import { copy, h } from "./dom";
import { count, figure, line, many, parseJson, pretty, shown, words } from "./text";
import type { Answer, ContentPart, Failure, Json, Message, RequestSent, Scores, ToolCall, Usage } from "./types";

export function section(title: string, ...content: (Node | null | false)[]): HTMLElement {
  const id = `s-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...content);
}

// A block of text that is not ours. It can be scrolled, so the keyboard must reach it.
export function block(label: string, content: (string | Node)[], kind = ""): HTMLElement {
  return h("pre", { class: `text ${kind}`, tabindex: "0", role: "group", "aria-label": label, dir: "auto" }, ...content);
}

export function textBlock(label: string, text: string): HTMLElement {
  return text ? block(label, shown(text)) : h("p", { class: "nothing" }, "(empty)");
}

export function jsonBlock(label: string, value: unknown): HTMLElement {
  return block(label, shown(pretty(value)), "json");
}

export function copyButton(what: string, text: string): HTMLButtonElement {
  return h("button", { type: "button", class: "quiet", click: () => void copy(text, what) }, `Copy ${what.toLowerCase()}`);
}

export function verdictOf(passed: number | boolean | null, status: string): { word: string; tone: string } {
  if (status !== "success") return { word: words(status), tone: status === "skipped" ? "none" : "broken" };
  if (passed === null || passed === undefined) return { word: "no verdict", tone: "none" };
  return passed ? { word: "pass", tone: "good" } : { word: "fail", tone: "bad" };
}

export function badge(word: string, tone: string): HTMLElement {
  return h("span", { class: `badge ${tone}` }, word);
}

function calls(list: ToolCall[]): HTMLElement {
  return h(
    "ol",
    { class: "calls" },
    ...list.map((call) =>
      h("li", {}, h("code", {}, line(call.name)), " ", jsonBlock(`Arguments of ${line(call.name)}`, call.arguments ?? {})),
    ),
  );
}

export function chat(messages: Message[]): HTMLElement {
  return h(
    "ol",
    { class: "chat" },
    ...messages.map((message) =>
      h(
        "li",
        { class: `turn ${message.role}` },
        h("span", { class: "role" }, message.role + (message.tool_call_id ? ` · ${line(message.tool_call_id)}` : "")),
        message.content ? textBlock(`${message.role} message`, contentText(message.content)) : null,
        message.tool_calls?.length ? calls(message.tool_calls) : null,
      ),
    ),
  );
}

export function input(given: string | Message[], label = "Prompt"): HTMLElement {
  if (typeof given === "string") return textBlock(label, given);
  return chat(given);
}

export function contentText(content: string | ContentPart[] | undefined): string {
  if (typeof content === "string" || !content) return content ?? "";
  return content.map((part) => part.text ?? `[image ${(part.url ?? "").slice(0, 100)}]`).join("\n");
}

export function inputText(given: string | Message[] | null): string {
  if (typeof given === "string") return given;
  const called = (message: Message): string => (message.tool_calls?.length ? `\n${pretty(message.tool_calls)}` : "");
  return (given ?? []).map((message) => `${message.role}: ${contentText(message.content)}${called(message)}`).join("\n\n");
}

// What a model was sent: the request of the record, which has none where the input was sent as it stands.
// Records of format 1 lack the model's system prompt, which the manifest has.
export function sent(request: RequestSent | null, input: string | Message[], system?: string | null): string | Message[] {
  const messages = request?.messages ?? input;
  if (!system || (typeof messages !== "string" && messages.some((message) => message.role === "system"))) return onlyText(messages);
  return [{ role: "system", content: system }, ...(typeof messages === "string" ? [{ role: "user", content: messages }] : messages)];
}

// A single message of the user reads best as the text that it is.
function onlyText(messages: string | Message[]): string | Message[] {
  const [first, second] = typeof messages === "string" ? [] : messages;
  return first?.role === "user" && !second && typeof first.content === "string" ? first.content : messages;
}

export function optionsPart(request: RequestSent | null, of = "the request"): HTMLElement | null {
  return details(`Options of ${of}`, request?.options);
}

export function examplePart(request: RequestSent | null, given: string | Message[]): HTMLElement | null {
  if (!request || inputText(sent(request, given)) === inputText(given)) return null;
  return h("details", {}, h("summary", {}, "Input of the example"), input(given, "Input of the example"));
}

export function answerText(answer: Answer | null): string {
  if (!answer) return "";
  const value = answer.value === undefined || answer.value === null ? "" : pretty(answer.value);
  return answer.text || value;
}

export function answerPart(answer: Answer | null, open = false): HTMLElement[] {
  if (!answer) return [];
  const text = answerText(answer);
  const json = parseJson(text);
  const made: HTMLElement[] = [];
  if (text || !answer.tool_calls?.length) made.push(json === undefined ? textBlock("Answer", text) : jsonBlock("Answer, as JSON", json));
  if (json !== undefined && answer.text)
    made.push(h("details", {}, h("summary", {}, "As written"), textBlock("Answer as written", answer.text)));
  if (answer.tool_calls?.length) made.push(h("h3", {}, "Tool calls"), calls(answer.tool_calls));
  if (answer.trajectory?.length) made.push(transcript(answer.trajectory, open));
  if (answer.reasoning) made.push(h("details", {}, h("summary", {}, "Reasoning"), textBlock("Reasoning", answer.reasoning)));
  return [...made, ...keptParts(answer.kept ?? {})];
}

// What an agent said, which tools it called, and what they gave.
function transcript(messages: Message[], open: boolean): HTMLElement {
  const called = messages.reduce((sum, message) => sum + (message.tool_calls?.length ?? 0), 0);
  const title = `Transcript: ${many(messages.length, "message")}, ${many(called, "tool call")}`;
  return h("details", open ? { open: "" } : {}, h("summary", {}, title), chat(messages));
}

// The parts of an answer beside its text: short ones in a list, long ones folded, text as text and the rest as JSON.
function keptParts(kept: { [name: string]: Json }): HTMLElement[] {
  const isShort = (value: Json): boolean => value === null || (typeof value !== "object" && String(value).length <= 80);
  const [short, long] = [true, false].map((wanted) => Object.entries(kept).filter(([, value]) => isShort(value) === wanted));
  const folded = long.map(([name, value]) => h("details", {}, h("summary", {}, `Part ${line(name)}`), partBlock(`Part ${name}`, value)));
  return [...(short.length ? [facts(short.map(([name, value]) => [`Part ${name}`, partText(value)]))] : []), ...folded];
}

function partBlock(label: string, value: Json): HTMLElement {
  return typeof value === "string" ? textBlock(label, value) : jsonBlock(label, value);
}

export function partText(value: Json | undefined): string {
  return typeof value === "string" ? value : value === undefined ? "" : pretty(value);
}

export function failurePart(failure: Failure | null): HTMLElement | null {
  return (
    failure &&
    h(
      "div",
      { class: "failure" },
      h("p", {}, h("strong", {}, line(failure.type)), ` in stage ${words(failure.stage)}`),
      textBlock("Failure", failure.message),
    )
  );
}

export function tokens(usage: Usage | undefined): string {
  if (!usage) return "";
  const parts = (["input", "output", "reasoning", "cached"] as const).flatMap((name) => {
    const value = usage[`${name}_tokens`];
    return value === undefined || value === null ? [] : [`${count(value)} ${name}`];
  });
  const cost = usage.cost_usd === undefined || usage.cost_usd === null ? [] : [`$${Number(usage.cost_usd.toPrecision(4))}`];
  return [...(parts.length ? [`${parts.join(", ")} tokens`] : []), ...cost].join(", ");
}

export function facts(rows: [string, string | undefined | null | false][]): HTMLElement {
  return h(
    "dl",
    { class: "facts" },
    ...rows.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, line(value as string)))),
  );
}

export function scoresPart(scores: Scores | null): HTMLElement | null {
  if (!scores) return null;
  const rows = Object.entries(scores.values).sort(([a], [b]) => (a < b ? -1 : 1));
  const table = rows.length
    ? h(
        "table",
        { class: "small" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Score"), h("th", { scope: "col", class: "number" }, "Value"))),
        h(
          "tbody",
          {},
          ...rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, line(name)), h("td", { class: "number" }, figure(value)))),
        ),
      )
    : null;
  return h(
    "div",
    {},
    scores.explanation ? h("p", { class: "why", dir: "auto" }, ...shown(scores.explanation)) : null,
    scores.label !== null && scores.label !== undefined ? h("p", {}, "Label: ", h("code", { dir: "auto" }, line(scores.label))) : null,
    table,
    checksPart(scores.details),
    details("Details of the score", scores.details),
  );
}

// The checks of one answer, as a probe of several checks lists them: which passed, and why not.
function checksPart(given: { [name: string]: Json }): HTMLElement | null {
  const checks = Array.isArray(given.checks) ? (given.checks as { [name: string]: Json }[]) : [];
  const rows = checks.filter((one) => typeof one.check === "string" && typeof (one.passed ?? one.held) === "boolean");
  if (!rows.length) return null;
  const why = (one: { [name: string]: Json }): string => (typeof one.why === "string" ? one.why : "");
  const anyWhy = rows.some(why);
  const cells = rows.map((one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", dir: "auto" }, ...shown(one.check as string)),
      h("td", {}, (one.passed ?? one.held) ? badge("pass", "good") : badge("fail", "bad")),
      anyWhy ? h("td", { dir: "auto" }, ...shown(why(one))) : null,
    ),
  );
  const titles = ["Check", "Passed", ...(anyWhy ? ["Why"] : [])].map((title) => h("th", { scope: "col" }, title));
  return h("table", { class: "small" }, h("thead", {}, h("tr", {}, ...titles)), h("tbody", {}, ...cells));
}

export function details(title: string, value: Json | undefined): HTMLElement | null {
  if (!value || (typeof value === "object" && !Object.keys(value).length)) return null;
  return h("details", {}, h("summary", {}, title), jsonBlock(title, value));
}

export function expectedPart(expected: Json[]): HTMLElement | null {
  if (!expected?.length) return null;
  return h(
    "ul",
    { class: "expected" },
    ...expected.map((value) =>
      h("li", {}, typeof value === "string" ? h("code", { dir: "auto" }, ...shown(value)) : jsonBlock("Expected value", value)),
    ),
  );
}
