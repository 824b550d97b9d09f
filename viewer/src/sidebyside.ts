// The answers of all subjects to one example, side by side; each in full once its part of the page is unpacked.

import type { Bodies } from "./data";
import { h } from "./dom";
import * as parts from "./parts";
import { line } from "./text";
import type { Answer, Scores } from "./types";

export interface Beside {
  row: number;
  name: string;
  repeat: number;
  verdict: { word: string; tone: string };
  preview: string;
  href: string;
}

export function sideBySide(shown: Beside[], current: number, bodies: Bodies): HTMLElement {
  const cards = shown.map((one, place) => card(one, place === current, bodies));
  const strip = h("div", { class: "strip", tabindex: "0", role: "group", "aria-label": "Answers side by side" }, ...cards);
  requestAnimationFrame(() => {
    // so that one sees that there are others before it
    if (cards[current]) strip.scrollLeft = cards[current].offsetLeft - cards[0].offsetLeft - 40;
  });
  return parts.section("Answers side by side", strip);
}

function card({ row, name, verdict, preview, href }: Beside, current: boolean, bodies: Bodies): HTMLElement {
  const answer = h("div", {}, parts.textBlock(`Answer of ${name}`, preview));
  void bodies.row(row).then((body) => {
    const why = (body.scores as Scores | null)?.explanation;
    answer.replaceChildren(
      ...parts.answerPart(body.response as Answer | null),
      ...(body.failure ? [parts.failurePart(body.failure) as Node] : []),
      ...(why ? [h("p", { class: "why said", dir: "auto" }, line(why))] : []),
      h("details", {}, h("summary", {}, "What was sent"), parts.input(parts.sent(body.request, body.input), `Sent to ${name}`)),
    );
  });
  const title = current ? h("span", {}, name) : h("a", { href }, name);
  const attributes = current ? { class: "card current", "aria-current": "true" } : { class: "card" };
  return h("article", attributes, h("h3", {}, title, parts.badge(verdict.word, verdict.tone)), answer);
}

// A line for each repeat of each subject.
export function repeatsPart(shown: Beside[], current: number, noun: string): HTMLElement {
  const lines = shown.map(({ name, repeat, verdict, preview, href }, place) => {
    const title = `${name}, repeat ${repeat}`;
    return h(
      "tr",
      place === current ? { class: "current", "aria-current": "true" } : {},
      h("th", { scope: "row" }, place === current ? title : h("a", { href }, title)),
      h("td", {}, parts.badge(verdict.word, verdict.tone)),
      h("td", { class: "clip" }, line(preview)),
    );
  });
  const heads = [`${noun} and repeat`, "Result", "Answer"].map((title) => h("th", { scope: "col" }, title));
  const table = h("table", { class: "small" }, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...lines));
  return parts.section(
    "All answers to this example",
    h("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Repeats and models" }, table),
  );
}
