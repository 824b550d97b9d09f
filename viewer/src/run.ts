// A run: results per model and probe, and its examples.

import type { Subject } from "./app";
import type { Bodies, Columns } from "./data";
import { h } from "./dom";
import { choices, type Filter } from "./filters";
import type { Key } from "./keys";
import type { Matrix } from "./matrix";
import * as parts from "./parts";
import type { Measures } from "./query";
import { go } from "./route";
import { runMatrix } from "./runmatrix";
import { runOverview } from "./runoverview";
import { repeatsPart, sideBySide, type Beside } from "./sidebyside";
import { dollars, milliseconds, spreadPart } from "./spread";
import { nounOf, testedIn } from "./subjects";
import { EXTRA, idWidth, type Column } from "./table";
import { count, decimal, line, words } from "./text";
import type { Answer, RunHead } from "./types";

export class RunSubject implements Subject {
  noun = "Examples";
  nothing = "This run has no examples.";
  sort = "";
  private index: Columns = {};
  private matrix: Matrix | null = null;
  private beside: Beside[] = []; // where the other subjects' answers to the open example are, this one's among them
  private here = 0;

  constructor(private head: RunHead) {}

  overview(): Node[] {
    return runOverview(this.head);
  }

  afterIndex(index: Columns, href: (row: number) => string): Node[] {
    this.index = index;
    this.matrix = runMatrix(this.head, index, (row) => this.verdict(row), href);
    const matrix = this.matrix ? [parts.section("Examples and subjects", this.matrix.element)] : [];
    return [...matrix, ...spreadPart(this.head, index)];
  }

  private at(row: number, name: string): string {
    return String(this.head.dictionaries[name][this.index[name][row]] ?? "");
  }

  private verdict(row: number): { word: string; tone: string } {
    return parts.verdictOf(this.index.passed[row], this.at(row, "status"));
  }

  key(row: number): (string | number)[] {
    return [this.at(row, "probe"), this.at(row, "dataset"), this.index.id[row], this.at(row, "model"), this.index.repeat[row]];
  }

  title(row: number): string {
    return String(this.index.id[row]);
  }

  preview(row: number): string {
    return `${this.index.id[row]}\n${this.index.prompt[row]}\n${this.index.answer[row]}\n${this.index.label[row] ?? ""}`;
  }

  columns(): Column[] {
    const { dictionaries, score_names: scores } = this.head;
    const repeated = this.index.repeat.some((repeat) => repeat > 0);
    const labelled = this.index.label.some((label) => label !== null);
    const counted = this.index.output_tokens.some((value) => value !== null);
    const telling = scores.filter((name) => name !== "correct");
    const text =
      (name: string) =>
      (row: number): string =>
        line(String(this.index[name][row] ?? ""));
    return [
      {
        name: "result",
        title: "Result",
        width: "104px",
        cell: (row) => {
          const { word, tone } = this.verdict(row);
          return parts.badge(word, tone);
        },
        sort: (row) => ["broken", "bad", "none", "good"].indexOf(this.verdict(row).tone),
      },
      { name: "id", title: "Example", width: idWidth(this.index.id), cell: text("id"), sort: (row) => this.index.id[row] },
      ...(dictionaries.probe.length > 1
        ? [
            {
              name: "probe",
              title: "Probe",
              width: "minmax(80px, .8fr)",
              spare: 2,
              cell: (row: number) => line(this.at(row, "probe")),
              sort: (row: number) => this.at(row, "probe"),
            },
          ]
        : []),
      ...(dictionaries.model.length > 1
        ? [
            {
              name: "model",
              title: nounOf(this.head.manifest),
              width: this.head.manifest.prompts?.length ? "minmax(120px, 1.2fr)" : "minmax(80px, .8fr)",
              spare: 1,
              cell: (row: number) => line(this.at(row, "model")),
              sort: (row: number) => this.at(row, "model"),
            },
          ]
        : []),
      ...(repeated
        ? [
            {
              name: "repeat",
              title: "Rep.",
              width: "48px",
              class: "number",
              spare: 3,
              cell: (row: number) => String(this.index.repeat[row]),
            },
          ]
        : []),
      ...(dictionaries.since.length > 1
        ? [{ name: "since", title: "Asked", width: "92px", spare: 2, cell: (row: number) => this.at(row, "since") }]
        : []),
      { name: "prompt", title: "Prompt", width: "minmax(120px, 2.4fr)", spare: 6, cell: text("prompt") },
      { name: "answer", title: "Answer", width: "minmax(160px, 3fr)", cell: text("answer") },
      ...(labelled
        ? [
            {
              name: "label",
              title: "Label",
              width: "minmax(60px, .6fr)",
              spare: 9,
              cell: text("label"),
              sort: (row: number) => this.index.label[row] as string | null,
            },
          ]
        : []),
      ...telling.map((name, place): Column => ({
        name: `score:${name}`,
        title: words(name),
        width: "92px",
        class: "number",
        spare: (place > 1 ? EXTRA : 7) + place,
        cell: (row) => {
          const value = this.index.scores[row][name];
          return value === undefined ? "–" : decimal(value);
        },
        sort: (row) => this.index.scores[row][name] ?? null,
      })),
      ...(counted
        ? [
            {
              name: "tokens",
              title: "Tokens",
              width: "72px",
              class: "number",
              spare: 5,
              cell: (row: number) => {
                const value = this.index.output_tokens[row];
                return value === null ? "–" : count(value);
              },
              sort: (row: number) => this.index.output_tokens[row] as number | null,
            },
          ]
        : []),
      ...(this.index.latency_ms
        ? [
            {
              name: "latency",
              title: "Latency",
              width: "84px",
              class: "number",
              spare: 4,
              cell: (row: number) => this.latency(row)?.split(",")[0] ?? "–",
              sort: (row: number) => this.index.latency_ms[row] as number | null,
            },
          ]
        : []),
      ...(this.index.cost_usd?.some((cost) => cost)
        ? [
            {
              name: "cost",
              title: "Cost",
              width: "92px",
              class: "number",
              spare: 4,
              cell: (row: number) => this.cost(row) ?? "–",
              sort: (row: number) => this.index.cost_usd[row] as number | null,
            },
          ]
        : []),
    ];
  }

  measures(): Measures {
    const measures: Measures = new Map();
    const add = (name: string, column: string): void => {
      if (this.index[column]?.some((value) => value !== null)) measures.set(name, (row) => this.index[column][row]);
    };
    add("tokens", "output_tokens");
    add("input_tokens", "input_tokens");
    add("latency", "latency_ms");
    add("cost", "cost_usd");
    add("repeat", "repeat");
    for (const name of this.head.score_names) measures.set(name.toLowerCase(), (row) => this.index.scores[row][name]);
    return measures;
  }

  filters(): Filter[] {
    const { dictionaries } = this.head;
    const counts = new Map<string, number>();
    for (let row = 0; row < this.head.rows; row++) {
      const { word, tone } = this.verdict(row);
      const name = tone === "broken" ? "unanswered" : word;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      counts.set(this.at(row, "status"), (counts.get(this.at(row, "status")) ?? 0) + 1);
    }
    const several = (name: string, title: string): Filter[] =>
      dictionaries[name].length < 2
        ? []
        : [
            {
              name,
              title,
              everything: "all",
              choices: choices(dictionaries[name]).map((choice) => ({ ...choice, title: line(choice.value) })),
              accepts: (row, value) => this.at(row, name) === value,
            },
          ];
    return [
      {
        name: "result",
        title: "Result",
        everything: "all",
        choices: choices(
          ["pass", "fail", "no verdict", "unanswered"].filter((name) => counts.get(name)),
          counts,
        ),
        accepts: (row, value) => {
          const { word, tone } = this.verdict(row);
          return value === "unanswered" ? tone === "broken" : word === value;
        },
      },
      ...(dictionaries.status.length < 2
        ? []
        : [
            {
              name: "status",
              title: "Status",
              everything: "all",
              choices: choices(dictionaries.status, counts),
              accepts: (row: number, value: string) => this.at(row, "status") === value,
            },
          ]),
      ...several("probe", "Probe"),
      ...several("model", nounOf(this.head.manifest)),
      ...several("since", "Asked"),
      ...(dictionaries.finish.length < 2
        ? []
        : [
            {
              name: "finish",
              title: "Finish",
              everything: "all",
              choices: choices(dictionaries.finish.filter((value) => value !== null)),
              accepts: (row: number, value: string) => this.at(row, "finish") === value,
            },
          ]),
    ];
  }

  keys(): Key[] {
    if (testedIn(this.head.manifest).length < 2) return [];
    const step = (by: number): void => {
      const target = this.beside[this.here + by];
      if (target) go(target.href, true);
    };
    return [
      { keys: ["l"], does: "same example, next model or prompt", run: () => step(1) },
      { keys: ["h"], does: "same example, previous model or prompt", run: () => step(-1) },
    ];
  }

  listKeys(): Key[] {
    if (!this.matrix) return [];
    return [{ keys: ["d"], does: "only examples where models or prompts differ", run: () => this.matrix?.toggle() }];
  }

  themed(): void {
    // nothing here is painted
  }

  example(row: number, body: Record<string, any>, href: (row: number) => string, bodies: Bodies): Node[] {
    const { word, tone } = this.verdict(row);
    const answer = body.response as Answer | null;
    const model = this.head.manifest.models.find((member) => member.id === this.at(row, "model"));
    const messages = parts.sent(body.request, body.input, model?.system);
    const prompt = parts.inputText(messages);
    const served = answer?.model && answer.model !== this.at(row, "model") ? answer.model : null;
    return [
      h("p", { class: "headline" }, parts.badge(word, tone)),
      parts.facts([
        ["Probe", this.at(row, "probe")],
        ["Dataset", this.at(row, "dataset")],
        [nounOf(this.head.manifest), this.at(row, "model")],
        ["Repeat", this.index.repeat[row] ? String(this.index.repeat[row]) : null],
        ["Asked", this.head.dictionaries.since.length > 1 ? this.at(row, "since") : null],
        ["Finish", answer?.finish_reason],
        ["Usage", parts.tokens(answer?.usage)],
        ["Served by", served],
        ["Fingerprint", answer?.fingerprint],
        ["Latency", this.latency(row)],
        ["Cost", this.cost(row)],
      ]),
      ...this.strip(row, href, bodies),
      h(
        "div",
        { class: "columns" },
        parts.section(
          "Prompt",
          parts.input(messages),
          parts.optionsPart(body.request),
          parts.examplePart(body.request, body.input),
          body.expected?.length ? h("h3", {}, "Expected") : null,
          parts.expectedPart(body.expected),
          parts.details("Other fields", body.fields),
          parts.copyButton("Prompt", prompt),
        ),
        parts.section(
          body.failure ? "Failure" : "Answer",
          parts.failurePart(body.failure),
          ...parts.answerPart(answer, true),
          answer ? parts.copyButton("Answer", parts.answerText(answer)) : null,
          body.scores ? h("h3", {}, "Scores") : null,
          parts.scoresPart(body.scores),
        ),
      ),
      ...this.siblings(row, href),
    ];
  }

  private latency(row: number): string | null {
    const [latency, attempts] = [this.index.latency_ms?.[row], this.index.attempts?.[row]];
    if (latency === undefined || latency === null) return null;
    return milliseconds(latency) + (attempts > 1 ? `, ${attempts} attempts` : "");
  }

  private cost(row: number): string | null {
    const cost = this.index.cost_usd?.[row];
    return cost === undefined || cost === null ? null : dollars(cost);
  }

  // All Trials of the same example, in the order of the records.
  private same(row: number): number[] {
    const same = (other: number): boolean =>
      this.index.id[other] === this.index.id[row] &&
      this.index.probe[other] === this.index.probe[row] &&
      this.index.dataset[other] === this.index.dataset[row];
    const rows = [row];
    for (let other = row - 1; other >= 0 && same(other); other--) rows.unshift(other);
    for (let other = row + 1; other < this.head.rows && same(other); other++) rows.push(other);
    return rows;
  }

  private shown(rows: number[], href: (row: number) => string): Beside[] {
    return rows.map((other) => ({
      row: other,
      name: line(this.at(other, "model")),
      repeat: this.index.repeat[other],
      verdict: this.verdict(other),
      preview: String(this.index.answer[other] ?? ""),
      href: href(other),
    }));
  }

  // The answers of all subjects, of one repeat.
  private strip(row: number, href: (row: number) => string, bodies: Bodies): Node[] {
    const rows = this.same(row).filter((other) => this.index.repeat[other] === this.index.repeat[row]);
    this.beside = this.shown(rows, href);
    this.here = rows.indexOf(row);
    return rows.length < 2 ? [] : [sideBySide(this.beside, this.here, bodies)];
  }

  private siblings(row: number, href: (row: number) => string): Node[] {
    const rows = this.same(row);
    if (!rows.some((other) => this.index.repeat[other] > 0)) return [];
    return [repeatsPart(this.shown(rows, href), rows.indexOf(row), nounOf(this.head.manifest))];
  }
}
