// Words and figures; and what makes a model's text harmless to look at: signs that do not print are spelt out.

const UNPRINTABLE = /(?![\n\t\u200c\u200d\u00a0\u202f\u3000 ])[\p{C}\p{Zl}\p{Zp}\p{Zs}]/u;
const RUNS = new RegExp(`(?:${UNPRINTABLE.source})+`, "gu");

function spell(run: string): string {
  return Array.from(run, (sign) => {
    const code = sign.codePointAt(0) as number;
    if (sign === "\r") return "\\r";
    const hex = code.toString(16);
    return code <= 0xff ? `\\x${hex.padStart(2, "0")}` : code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  }).join("");
}

const unify = (text: string): string => text.replace(/\r\n|[\x0b\x0c\x85\u2028\u2029]/g, "\n");

// Text for an attribute or a cell: one line.
export function line(text: string): string {
  return text.replace(/[\n\t]/g, " ").replace(RUNS, spell);
}

// Text for a block: newlines stay, and what was spelt out stands apart from what the model wrote.
export function shown(text: string): (string | Node)[] {
  const parts: (string | Node)[] = [];
  let last = 0;
  const whole = unify(text);
  for (const match of whole.matchAll(RUNS)) {
    if (match.index > last) parts.push(whole.slice(last, match.index));
    const mark = document.createElement("span");
    mark.className = "escape";
    mark.textContent = spell(match[0]);
    parts.push(mark);
    last = match.index + match[0].length;
  }
  if (last < whole.length) parts.push(whole.slice(last));
  return parts;
}

export const words = (name: string): string => name.replaceAll("_", " ");
export const count = (value: number): string => value.toLocaleString("en");
export const many = (value: number, noun: string): string => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
export const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
export const rate = (passed: number, scored: number): string =>
  scored ? `${count(passed)}/${count(scored)} (${percent(passed / scored)})` : "0/0";
export const figure = (value: number): string => (Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(4))));
// A score: three decimals, so that a column of them lines up.
export const decimal = (value: number): string => (Math.abs(value) >= 1000 ? count(Math.round(value)) : value.toFixed(3));
export const arrows = (note: string): string => note.replaceAll(" -> ", " → ");
// A p-value to two figures, as the terminal writes it.
export const pValue = (p: number): string => (p < 0.0001 ? "<0.0001" : String(Number(p.toPrecision(2))));

export const tellP = (p: number): string => (p < 0.0001 ? "p < 0.0001" : `p = ${pValue(p)}`);

export const points = (value: number): string => (value === 0 ? "±0 pt" : `${value > 0 ? "+" : "−"}${Math.abs(value * 100).toFixed(1)} pt`);

export function unanswered(statuses: Record<string, number>): string {
  const found = Object.entries(statuses).filter(([name, trials]) => name !== "success" && trials);
  return found.map(([name, trials]) => `${count(trials)} ${words(name)}`).join(", ") || "–";
}

export function parseJson(text: string): unknown {
  const trimmed = text.trim().replace(/^```(?:json)?\s*\n([\s\S]*)\n```$/, "$1");
  if (!/^[[{]/.test(trimmed)) return undefined;
  try {
    return JSON.parse(trimmed);
  } catch {
    return undefined;
  }
}

export function pretty(value: unknown): string {
  const sorted = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(sorted);
    if (item === null || typeof item !== "object") return item;
    return Object.fromEntries(
      Object.entries(item)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, inner]) => [name, sorted(inner)]),
    );
  };
  return JSON.stringify(sorted(value), null, 2);
}
