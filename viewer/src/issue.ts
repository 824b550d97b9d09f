// A change as the text of an issue: Markdown in which nothing of the model's text is live.

import { answerText, inputText } from "./parts";
import { line, words } from "./text";
import type { Answer, DiffHead } from "./types";

const LIMIT = 4000;

export interface Told {
  kind: string;
  note: string;
  key: (string | number)[];
  head: DiffHead;
  body: Record<string, any>;
  before: Answer | null;
  after: Answer | null;
}

// A fence longer than any run of backticks in the text cannot be closed by it.
function fence(text: string): string {
  const cut = text.length > LIMIT ? `${text.slice(0, LIMIT)}…` : text;
  const longest = Math.max(0, ...Array.from(cut.matchAll(/`+/g), (run) => run[0].length));
  const ticks = "`".repeat(Math.max(3, longest + 1));
  const body = cut.split("\n").map(line).join("\n");
  return `${ticks}text\n${body || "(empty)"}\n${ticks}`;
}

const inline = (text: string): string => `\`${line(text).replaceAll("`", "'")}\``;

export function issueText(told: Told): string {
  const [probe, dataset, id, models, repeat] = told.key.map(String);
  const { baseline, candidate } = told.head.comparison;
  const failure = (side: "a" | "b"): string => {
    const found = told.body[`failure_${told.body.same ? "a" : side}`];
    return found ? `${found.type}: ${found.message}` : "";
  };
  return [
    `${inline(id)} is ${words(told.kind)}${told.note ? ` (${inline(told.note)})` : ""}`,
    "",
    `- probe ${inline(probe)}, dataset ${inline(dataset)}, models ${inline(models)}, repeat ${repeat}`,
    `- baseline ${inline(`${baseline.label} (${baseline.run_id.slice(0, 12)})`)}, candidate ${inline(`${candidate.label} (${candidate.run_id.slice(0, 12)})`)}`,
    "",
    "Prompt",
    "",
    fence(inputText(told.body.input)),
    "",
    "Baseline",
    "",
    fence(told.before ? answerText(told.before) : failure("a")),
    "",
    "Candidate",
    "",
    fence(told.after ? answerText(told.after) : failure("b")),
    "",
  ].join("\n");
}
