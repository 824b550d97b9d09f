// How long answers took, how long they were and what they cost: for each model and probe figures and a histogram.

import type { Columns } from "./data";
import { h, s } from "./dom";
import * as parts from "./parts";
import { count, figure, line, many } from "./text";
import type { RunHead } from "./types";

const WIDTH = 120;
const HEIGHT = 30;
const BINS = 30;

export function milliseconds(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${figure(Number(value.toPrecision(3)))} ms`;
}

export function dollars(value: number): string {
  return value >= 1 ? `$${value.toFixed(2)}` : `$${Number(value.toPrecision(3)).toFixed(8).replace(/0+$/, "").replace(/\.$/, "")}`;
}

interface Quantity {
  title: string;
  column: string;
  unit: (value: number) => string;
  summed: boolean; // whether the sum means more than the slowest
}

const QUANTITIES: Quantity[] = [
  { title: "Latency", column: "latency_ms", unit: milliseconds, summed: false },
  { title: "Output tokens", column: "output_tokens", unit: (value) => count(Math.round(value)), summed: true },
  { title: "Cost", column: "cost_usd", unit: dollars, summed: true },
];

// By nearest rank, as everywhere else.
function quantile(sorted: number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

// Bins up to `most`; what is beyond is in the last one.
function histogram(values: number[], most: number, label: string): SVGElement {
  const bins = new Array<number>(BINS).fill(0);
  for (const value of values) bins[Math.min(BINS - 1, Math.floor((value / (most || 1)) * BINS))]++;
  const tallest = Math.max(...bins);
  const width = WIDTH / BINS;
  const bars = bins.flatMap((number, place) => {
    const height = (number / tallest) * (HEIGHT - 4);
    const shape = { class: "fill spread", x: place * width, y: HEIGHT - height, width: width - 1, height: Math.max(height, 1) };
    return number ? [s("rect", shape)] : [];
  });
  return s("svg", { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...bars);
}

type Values = Map<string, number[]>;

// The values of the answered trials, sorted, by model and probe.
function grouped(head: RunHead, index: Columns, column: string): Values {
  const { model, probe, status } = head.dictionaries;
  const groups: Values = new Map();
  index[column].forEach((value: number | null, row) => {
    if (value === null || status[index.status[row]] !== "success") return;
    const name = probe.length > 1 ? `${model[index.model[row]]} · ${probe[index.probe[row]]}` : String(model[index.model[row]]);
    const group = groups.get(name);
    if (group) group.push(value);
    else groups.set(name, [value]);
  });
  groups.forEach((values) => values.sort((a, b) => a - b));
  return groups;
}

export function spreadPart(head: RunHead, index: Columns): Node[] {
  if (!index.latency_ms) return [];
  const found = QUANTITIES.map((quantity) => ({ ...quantity, groups: grouped(head, index, quantity.column) }));
  const [latency, , cost] = found;
  const paid = [...cost.groups.values()].some((values) => values[values.length - 1]);
  const shown = found.filter((quantity) => quantity.groups.size && (quantity !== cost || paid));
  if (!shown.length) return [];
  const names = [...new Set(shown.flatMap(({ groups }) => [...groups.keys()]))];
  const head1 = shown.map(({ title }) => h("th", { scope: "colgroup", colspan: 3 }, title));
  const reach = shown.map(({ groups }) => Math.max(...[...groups.values()].map((values) => quantile(values, 0.99))));
  const head2 = shown.flatMap(({ unit, summed }, place) =>
    ["Median", summed ? "Together" : "95% within", `0 to ${unit(reach[place])}`].map((text) => h("th", { scope: "col" }, text)),
  );
  const rows = names.map((name) => {
    const cells = shown.flatMap(({ title, unit, summed, groups }, place) => {
      const values = groups.get(name);
      if (!values) return ["–", "–", ""].map((text) => h("td", { class: "number" }, text));
      const [middle, late, last] = [quantile(values, 0.5), quantile(values, 0.95), values[values.length - 1]].map(unit);
      const total = unit(values.reduce((sum, value) => sum + value, 0));
      const told = `median ${middle}, 95% within ${late}, most ${last}${summed ? `, together ${total}` : ""}`;
      const label = `${title} of ${line(name)}: ${many(values.length, "answer")}, ${told}`;
      return [
        ...[middle, summed ? total : late].map((text) => h("td", { class: "number" }, text)),
        h("td", { title: label }, histogram(values, reach[place], label)),
      ];
    });
    return h("tr", {}, h("th", { scope: "row" }, line(name)), ...cells);
  });
  const table = h(
    "table",
    { class: "results spreads" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col", rowspan: 2 }, "Answers of"), ...head1), h("tr", {}, ...head2)),
    h("tbody", {}, ...rows),
  );
  const said = [
    paid ? `Prices: ${head.price_source ?? "unnamed"}.` : cost.groups.size ? "These models cost nothing." : "",
    cost.groups.size < latency.groups.size ? "Some prices are not known here: the extra ‘prices’ brings a table." : "",
  ];
  return [
    parts.section(
      "Time, tokens and cost",
      h("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Time, tokens and cost" }, table),
      h("p", { class: "said" }, line(said.join(" ").trim())),
    ),
  ];
}
