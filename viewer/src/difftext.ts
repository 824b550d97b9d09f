// What differs between two answers: word by word, or, where both are JSON, between their values.

import { diffLines, diffWordsWithSpace } from "diff";
import { parseJson, pretty, shown } from "./text";
import { h } from "./dom";

const TIME_LIMIT_MS = 400;
const ALIKE = 0.25;

interface Piece {
  value: string;
  added?: boolean;
  removed?: boolean;
}
export interface TextDiff {
  before: Node[];
  after: Node[];
  inline: Node[];
  how: string;
  paths: string[];
}

function paint(pieces: Piece[], side: "before" | "after" | "inline"): Node[] {
  return pieces
    .filter((piece) => !(side === "before" && piece.added) && !(side === "after" && piece.removed))
    .map((piece) => {
      const content = shown(piece.value);
      return piece.added ? h("ins", {}, ...content) : piece.removed ? h("del", {}, ...content) : h("span", {}, ...content);
    });
}

// Changed words with mere blanks between them read better as one change than as many.
function join(pieces: Piece[]): Piece[] {
  const joined: Piece[] = [];
  let removed = "";
  let added = "";
  const close = (): void => {
    if (removed) joined.push({ value: removed, removed: true });
    if (added) joined.push({ value: added, added: true });
    removed = added = "";
  };
  pieces.forEach((piece, place) => {
    const between = place > 0 && place < pieces.length - 1 && /^[^\S\n]+$/.test(piece.value);
    if (piece.removed) removed += piece.value;
    else if (piece.added) added += piece.value;
    else if (between && removed && added && follows(pieces, place)) {
      removed += piece.value;
      added += piece.value;
    } else {
      close();
      joined.push(piece);
    }
  });
  close();
  return joined;
}

// Whether a removal and an addition come next, so that joining does not mark blanks that stay.
function follows(pieces: Piece[], place: number): boolean {
  const [first, second] = [pieces[place + 1], pieces[place + 2]];
  return Boolean(first && second && (first.removed || first.added) && (second.removed || second.added));
}

function compareTexts(before: string, after: string): { pieces: Piece[]; how: string } {
  const limit = { timeout: TIME_LIMIT_MS };
  const byWord: Piece[] | undefined = diffWordsWithSpace(before, after, limit);
  if (byWord) {
    const same = byWord.filter((piece) => !piece.added && !piece.removed).reduce((sum, piece) => sum + piece.value.trim().length, 0);
    const alike = same >= ALIKE * Math.min(before.trim().length, after.trim().length);
    if (alike || Math.max(before.length, after.length) < 80) return { pieces: join(byWord), how: "word by word" };
    return { pieces: whole(before, after), how: "rewritten: too little is shared to mark words" };
  }
  const byLine: Piece[] | undefined = diffLines(before, after, limit);
  return byLine ? { pieces: byLine, how: "line by line" } : { pieces: whole(before, after), how: "too long to compare word by word" };
}

const whole = (before: string, after: string): Piece[] => [
  { value: before, removed: true },
  { value: after, added: true },
];

export function diffTexts(before: string, after: string): TextDiff {
  const [left, right] = [parseJson(before), parseJson(after)];
  const json = left !== undefined && right !== undefined;
  const { pieces, how } = json ? compareTexts(pretty(left), pretty(right)) : compareTexts(before, after);
  const paths = json ? differingPaths(left, right) : [];
  const said = json
    ? `as JSON, keys sorted: ${paths.length ? `differs at ${paths.length} path${paths.length === 1 ? "" : "s"}` : "the same value"}`
    : how;
  return { before: paint(pieces, "before"), after: paint(pieces, "after"), inline: paint(pieces, "inline"), how: said, paths };
}

export function differingPaths(left: unknown, right: unknown, at = "$", found: string[] = []): string[] {
  if (found.length >= 50 || Object.is(left, right)) return found;
  const object = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (object(left) && object(right) && Array.isArray(left) === Array.isArray(right)) {
    const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
    for (const name of Array.isArray(left) ? names : names.sort()) {
      const path = Array.isArray(left)
        ? `${at}[${name}]`
        : /^[A-Za-z_]\w*$/.test(name)
          ? `${at}.${name}`
          : `${at}[${JSON.stringify(name)}]`;
      const here = Object.hasOwn(left, name) && Object.hasOwn(right, name);
      if (here) differingPaths((left as Record<string, unknown>)[name], (right as Record<string, unknown>)[name], path, found);
      else if (found.length < 50) found.push(path);
    }
    return found;
  }
  if (left !== right) found.push(at);
  return found;
}
