// From which state to which an example went, over its repeats: the transition table.

import type { Columns } from "./data";
import { h } from "./dom";
import { count } from "./text";

const STATES = ["stable pass", "flaky", "stable fail", "no verdict"] as const;
const SHORT = ["pass", "flaky", "fail", "none"] as const;

export interface Moves {
  of: Int8Array;
  counts: Map<number, number>;
  groups: number;
}

function state(verdicts: (number | null)[]): number {
  if (verdicts.includes(null)) return 3;
  const passed = verdicts.filter((value) => value === 1).length;
  return passed === verdicts.length ? 0 : passed ? 1 : 2;
}

// Repeats of an example by the same models stand next to each other. An edited example went nowhere: it is another one.
export function readMoves(index: Columns, rows: number, edited: number): Moves {
  const of = new Int8Array(rows).fill(-1);
  const counts = new Map<number, number>();
  let groups = 0;
  const same = (a: number, b: number): boolean => ["probe", "dataset", "id", "models"].every((name) => index[name][a] === index[name][b]);
  for (let first = 0; first < rows;) {
    let end = first + 1;
    while (end < rows && same(first, end)) end++;
    const paired: number[] = [];
    for (let row = first; row < end; row++)
      if (index.status_a[row] !== null && index.status_b[row] !== null && index.kind[row] !== edited) paired.push(row);
    if (paired.length) {
      const code = state(paired.map((row) => index.passed_a[row])) * 4 + state(paired.map((row) => index.passed_b[row]));
      for (let row = first; row < end; row++) of[row] = code;
      counts.set(code, (counts.get(code) ?? 0) + 1);
      groups++;
    }
    first = end;
  }
  return { of, counts, groups };
}

export const moveName = (code: number): string => `${SHORT[code >> 2]}-${SHORT[code & 3]}`;
export const moveWords = (code: number): string => `${STATES[code >> 2]} → ${STATES[code & 3]}`;

export function moveTable(moves: Moves): HTMLElement {
  const states = [0, 1, 2, 3].filter((one) =>
    [0, 1, 2, 3].some((other) => moves.counts.get(one * 4 + other) || moves.counts.get(other * 4 + one)),
  );
  const cell = (from: number, to: number): HTMLElement => {
    const number = moves.counts.get(from * 4 + to) ?? 0;
    const tone = from === to || from === 3 || to === 3 ? "" : to > from ? "worse" : "better";
    const code = from * 4 + to;
    return h(
      "td",
      { class: `number ${number ? tone : ""}` },
      number
        ? h("a", { href: `#/?kind=all&move=${moveName(code)}`, "aria-label": `${count(number)}: ${moveWords(code)}` }, count(number))
        : "0",
    );
  };
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": "Transitions" },
    h(
      "table",
      { class: "moves" },
      h("caption", {}, `${count(moves.groups)} examples that both runs have; rows: baseline, columns: candidate`),
      h("thead", {}, h("tr", {}, h("td", {}), ...states.map((to) => h("th", { scope: "col" }, STATES[to])))),
      h("tbody", {}, ...states.map((from) => h("tr", {}, h("th", { scope: "row" }, STATES[from]), ...states.map((to) => cell(from, to))))),
    ),
  );
}
