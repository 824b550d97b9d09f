// The matrix of a run: its Trials gathered by example and subject, and what each cell shows of them.

import type { Columns } from "./data";
import { Matrix, type Mark, type MatrixRow } from "./matrix";
import { labelOf, testedIn } from "./subjects";
import { decimal, words } from "./text";
import type { RunHead } from "./types";

type Verdict = (row: number) => { word: string; tone: string };

export function runMatrix(head: RunHead, index: Columns, verdict: Verdict, href: (row: number) => string): Matrix | null {
  const labels = head.dictionaries.model;
  const tested = testedIn(head.manifest).filter((subject) => labels.includes(labelOf(subject)));
  if (tested.length < 2) return null;
  const places = new Map(tested.map((subject, place) => [labels.indexOf(labelOf(subject)), place]));
  const rows = new Map<string, MatrixRow>();
  for (let row = 0; row < head.rows; row++) {
    const key = JSON.stringify([index.probe[row], index.dataset[row], index.id[row]]);
    let found = rows.get(key);
    if (!found) {
      const probe = String(head.dictionaries.probe[index.probe[row]]);
      found = { id: String(index.id[row]), probe, cells: tested.map(() => []) };
      rows.set(key, found);
    }
    found.cells[places.get(index.model[row]) as number]?.push(row);
  }
  const preview = (row: number): string => String(index.prompt[row] ?? "");
  return new Matrix(tested, [...rows.values()], (cell) => mark(cell, index, verdict), preview, href);
}

// What a subject came to on an example, over its repeats.
function mark(rows: number[], index: Columns, verdict: Verdict): Mark {
  const tones = rows.map((row) => verdict(row).tone);
  const passed = tones.filter((tone) => tone === "good").length;
  if (tones.includes("broken")) return { tone: "broken", sign: "!", word: verdict(rows[tones.indexOf("broken")]).word };
  if (!rows.length || tones.includes("none")) return scoreMark(rows, index);
  if (passed === rows.length) return { tone: "good", sign: "✓", word: "pass" };
  if (!passed) return { tone: "bad", sign: "✕", word: "fail" };
  return { tone: "mixed", sign: `${passed}/${rows.length}`, word: `${passed} of ${rows.length} repeats passed` };
}

function scoreMark(rows: number[], index: Columns): Mark {
  const names = Object.keys(index.scores[rows[0]] ?? {});
  const name = names.includes("score") ? "score" : names[0];
  const values = rows.flatMap((row) => index.scores[row]?.[name] ?? []);
  if (!values.length) return { tone: "none", sign: "–", word: rows.length ? "no verdict" : "not asked" };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { tone: "none", sign: mean.toFixed(2), word: `${words(name)} ${decimal(mean)}` };
}
