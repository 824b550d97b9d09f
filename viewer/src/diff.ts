// A comparison: verdict, map and transitions, and every Trial of both runs side by side.

import type { Subject } from "./app";
import type { Columns } from "./data";
import { answerOf, answersPart, promptPart, scoresPart } from "./diffexample";
import { changedPart, pairName, probesPart, sidesPart, verdictPart } from "./diffoverview";
import { copy, h } from "./dom";
import { choices, type Filter } from "./filters";
import { issueText, type Told } from "./issue";
import type { Key } from "./keys";
import { ChangeMap, type Square } from "./map";
import { moveName, moveTable, moveWords, readMoves, type Moves } from "./moves";
import * as parts from "./parts";
import type { Measures } from "./query";
import { go, link } from "./route";
import { EXTRA, idWidth, type Column } from "./table";
import { arrows, count, figure, line, words } from "./text";
import type { DiffHead, ModelPair } from "./types";

const QUIET = new Set(["unchanged", "equivalent", "errored", "skipped"]);
const TONES: Record<string, string> = {
  regressed: "bad",
  newly_failing: "bad",
  errored: "broken",
  improved: "good",
  fixed: "good",
  recovered: "good",
  changed: "warn",
  edited: "note",
  new: "note",
  removed: "note",
};

const CHANGE = ".change";

export class DiffSubject implements Subject {
  noun = "Trials";
  nothing = "Nothing changed. The class “everything” lists all trials.";
  sort = "kind";
  private index: Columns = {};
  private moves: Moves = { of: new Int8Array(), counts: new Map(), groups: 0 };
  private map: ChangeMap | null = null;
  private models: string[];
  private issue = "";

  constructor(private head: DiffHead) {
    this.models = (head.dictionaries.models as unknown as [string | null, string | null][]).map(([baseline, candidate]) =>
      pairName({ baseline, candidate } as ModelPair),
    );
  }

  overview(): Node[] {
    const changed = changedPart(this.head);
    return [
      ...(changed ? [changed] : []),
      verdictPart(this.head),
      sidesPart(this.head),
      parts.section("Changes by probe", probesPart(this.head)),
    ];
  }

  afterIndex(index: Columns): Node[] {
    // What the candidate has as the baseline has it is stored once.
    index.scores_b = index.scores_b.map((scores, row) => (scores === true ? index.scores_a[row] : scores));
    this.index = index;
    this.moves = readMoves(index, this.head.rows, this.head.dictionaries.kind.indexOf("edited"));
    const squares: Square[] = [];
    let last = -1;
    for (let row = 0; row < this.head.rows; row++) {
      const same = last >= 0 && ["id", "probe", "dataset"].every((name) => index[name][last] === index[name][row]);
      if (!same) squares.push({ first: row, kind: index.kind[row], name: `${this.at(row, "probe")} / ${index.id[row]}` });
      else if (index.kind[row] < squares[squares.length - 1].kind)
        Object.assign(squares[squares.length - 1], { kind: index.kind[row], first: row });
      last = row;
    }
    this.map = new ChangeMap(squares, this.head.dictionaries.kind as string[], this.head.comparison.overall.classes, (row) =>
      go(link(this.key(row), new URLSearchParams())),
    );
    return [
      h(
        "div",
        { class: "twin" },
        parts.section("One square per example", this.map.element),
        parts.section("From state to state", moveTable(this.moves)),
      ),
    ];
  }

  listKeys(): Key[] {
    return [
      { keys: ["n"], does: "next change on the map", run: () => this.map?.go(1) },
      { keys: ["p"], does: "previous change on the map", run: () => this.map?.go(-1) },
    ];
  }

  private at(row: number, name: string): string {
    return String(this.head.dictionaries[name][this.index[name][row]] ?? "");
  }

  private side(row: number, side: "a" | "b"): { word: string; tone: string } | null {
    const status = this.index[`status_${side}`][row];
    return status === null ? null : parts.verdictOf(this.index[`passed_${side}`][row], String(this.head.dictionaries.status[status]));
  }

  key(row: number): (string | number)[] {
    return [
      this.at(row, "probe"),
      this.at(row, "dataset"),
      this.index.id[row],
      this.models[this.index.models[row]],
      this.index.repeat[row],
    ];
  }

  title(row: number): string {
    return String(this.index.id[row]);
  }

  preview(row: number): string {
    return `${this.index.id[row]}\n${this.index.prompt[row]}\n${this.index.a[row] ?? ""}\n${this.index.b[row] ?? ""}\n${this.index.note[row]}`;
  }

  columns(): Column[] {
    const { dictionaries } = this.head;
    const repeated = this.index.repeat.some((repeat) => repeat > 0);
    const candidate = (row: number): string => this.index.b[row] ?? (this.index.status_b[row] === null ? "" : (this.index.a[row] ?? ""));
    return [
      { name: "kind", title: "Class", width: "124px", cell: (row) => this.kindBadge(row), sort: (row) => this.index.kind[row] },
      {
        name: "id",
        title: "Example",
        width: idWidth(this.index.id),
        cell: (row) => line(this.index.id[row]),
        sort: (row) => this.index.id[row],
      },
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
      ...(this.models.length > 1
        ? [
            {
              name: "models",
              title: "Models",
              width: "minmax(80px, 1fr)",
              spare: 1,
              cell: (row: number) => line(this.models[this.index.models[row]]),
              sort: (row: number) => this.models[this.index.models[row]],
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
      {
        name: "note",
        title: "What differs",
        width: "minmax(110px, 1.2fr)",
        spare: 4,
        cell: (row) => arrows(line(this.index.note[row])),
        sort: (row) => this.index.note[row] || null,
      },
      { name: "before", title: "Baseline", width: "minmax(120px, 2.4fr)", cell: (row) => line(this.index.a[row] ?? "") },
      { name: "after", title: "Candidate", width: "minmax(120px, 2.4fr)", cell: (row) => line(candidate(row)) },
      ...this.grown(),
    ];
  }

  // By how much scores and tokens moved: columns that are there for the asking.
  private grown(): Column[] {
    return [...this.measures()].flatMap(([name, measure], place) => {
      if (!name.endsWith(CHANGE)) return [];
      const value = (row: number): number | null => measure(row) ?? null;
      const cell = (row: number): string => {
        const by = value(row);
        return by === null ? "–" : by > 0 ? `+${figure(by)}` : figure(by).replace("-", "−");
      };
      return [
        {
          name,
          title: `± ${words(name.slice(0, -CHANGE.length))}`,
          width: "92px",
          class: "number",
          spare: EXTRA + place,
          cell,
          sort: value,
        },
      ];
    });
  }

  // Of each score and of tokens: the candidate's, the baseline's (.before), and the difference (.change).
  measures(): Measures {
    const measures: Measures = new Map();
    const add = (name: string, before: (row: number) => number | null | undefined, after: typeof before): void => {
      measures.set(name, after);
      measures.set(`${name}.before`, before);
      measures.set(`${name}${CHANGE}`, (row) => {
        const [old, now] = [before(row), after(row)];
        return typeof old === "number" && typeof now === "number" ? now - old : null;
      });
    };
    const { tokens_a, tokens_b, scores_a, scores_b } = this.index;
    if (tokens_a.some((tokens) => tokens !== null))
      add(
        "tokens",
        (row) => tokens_a[row],
        (row) => tokens_b[row],
      );
    for (const name of this.head.score_names) {
      add(
        name.toLowerCase(),
        (row) => scores_a[row]?.[name],
        (row) => scores_b[row]?.[name],
      );
    }
    return measures;
  }

  private kindBadge(row: number): HTMLElement {
    const kind = this.at(row, "kind");
    return parts.badge(words(kind), TONES[kind] ?? "none");
  }

  filters(): Filter[] {
    const { dictionaries, comparison } = this.head;
    const counts = new Map(Object.entries(comparison.overall.classes));
    const changed = [...counts].filter(([kind]) => !QUIET.has(kind)).reduce((sum, [, number]) => sum + number, 0);
    const kinds = (dictionaries.kind as string[]).filter((kind) => counts.get(kind));
    const levels = (dictionaries.level as string[]).filter((level) => comparison.overall.levels[level]);
    const moved = [...this.moves.counts.keys()].sort((a, b) => a - b);
    const plain = (values: string[]): Filter["choices"] => values.map((value) => ({ value, title: line(value) }));
    return [
      {
        name: "kind",
        title: "Class",
        everything: `changes (${count(changed)})`,
        always: true,
        choices: [{ value: "all", title: `everything (${count(this.head.rows)})` }, ...choices(kinds, counts)],
        accepts: (row, value) => (value === "" ? !QUIET.has(this.at(row, "kind")) : value === "all" || this.at(row, "kind") === value),
      },
      ...(levels.length < 2
        ? []
        : [
            {
              name: "level",
              title: "Differs in",
              everything: "all",
              choices: choices(levels, new Map(Object.entries(comparison.overall.levels))),
              accepts: (row: number, value: string) => this.at(row, "level") === value,
            },
          ]),
      ...(dictionaries.probe.length < 2
        ? []
        : [
            {
              name: "probe",
              title: "Probe",
              everything: "all",
              choices: plain(dictionaries.probe as string[]),
              accepts: (row: number, value: string) => this.at(row, "probe") === value,
            },
          ]),
      ...(this.models.length < 2
        ? []
        : [
            {
              name: "models",
              title: "Models",
              everything: "all",
              choices: plain(this.models),
              accepts: (row: number, value: string) => this.models[this.index.models[row]] === value,
            },
          ]),
      {
        name: "move",
        title: "Transition",
        everything: "all",
        choices: moved.map((code) => ({ value: moveName(code), title: `${moveWords(code)} (${count(this.moves.counts.get(code) ?? 0)})` })),
        accepts: (row, value) => this.moves.of[row] >= 0 && moveName(this.moves.of[row]) === value,
      },
    ];
  }

  keys(): Key[] {
    return [{ keys: ["i"], does: "copy as an issue", run: () => void copy(this.issue, "Issue text") }];
  }

  themed(): void {
    this.map?.paint();
  }

  example(row: number, body: Record<string, any>, href: (row: number) => string): Node[] {
    const told: Told = {
      note: this.index.note[row],
      kind: this.at(row, "kind"),
      key: this.key(row),
      head: this.head,
      body,
      before: answerOf(body, "a"),
      after: answerOf(body, "b"),
    };
    this.issue = issueText(told);
    const sides = (["a", "b"] as const).map((side) => this.side(row, side));
    return [
      h(
        "p",
        { class: "headline" },
        this.kindBadge(row),
        " ",
        arrows(line(this.index.note[row])),
        " ",
        h(
          "button",
          { type: "button", class: "quiet", click: () => void copy(this.issue, "Issue text") },
          "Copy as issue ",
          h("kbd", {}, "i"),
        ),
      ),
      parts.facts([
        ["Probe", this.at(row, "probe")],
        ["Dataset", this.at(row, "dataset")],
        ["Models", this.models[this.index.models[row]]],
        ["Repeat", this.index.repeat[row] ? String(this.index.repeat[row]) : null],
        ["Differs in", this.at(row, "level")],
      ]),
      promptPart(body),
      ...answersPart(body, sides),
      ...scoresPart(body),
      ...this.siblings(row, href),
    ];
  }

  private siblings(row: number, href: (row: number) => string): Node[] {
    const same = (other: number): boolean => ["id", "probe", "dataset"].every((name) => this.index[name][other] === this.index[name][row]);
    const rows = [row];
    for (let other = row - 1; other >= 0 && same(other); other--) rows.unshift(other);
    for (let other = row + 1; other < this.head.rows && same(other); other++) rows.push(other);
    if (rows.length < 2) return [];
    const lines = rows.map((other) => {
      const name = `${line(this.models[this.index.models[other]])}, repeat ${this.index.repeat[other]}`;
      const cells = (["a", "b"] as const).map((side) => {
        const given = this.side(other, side);
        return h("td", {}, given ? parts.badge(given.word, given.tone) : "–");
      });
      return h(
        "tr",
        other === row ? { class: "current", "aria-current": "true" } : {},
        h("th", { scope: "row" }, other === row ? name : h("a", { href: href(other) }, name)),
        h("td", {}, this.kindBadge(other)),
        ...cells,
      );
    });
    return [
      parts.section(
        "All answers to this example",
        h(
          "div",
          { class: "wide", tabindex: "0", role: "group", "aria-label": "Repeats and models" },
          h(
            "table",
            { class: "small" },
            h(
              "thead",
              {},
              h("tr", {}, ...["Models and repeat", "Class", "Baseline", "Candidate"].map((title) => h("th", { scope: "col" }, title))),
            ),
            h("tbody", {}, ...lines),
          ),
        ),
      ),
    ];
  }
}
