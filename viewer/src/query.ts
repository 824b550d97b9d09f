// What stands in the search box: conditions on measures, such as tokens>200 or held.change<0, and what to look for.

export type Measures = Map<string, (row: number) => number | null | undefined>;

export interface Query {
  text: string; // words, or a pattern between slashes
  tests: ((row: number) => boolean)[];
  fault: string | null;
}

const CONDITION = /(?<=^|\s)([^\s<>=!]+)(<=|>=|!=|<|>|=)(-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)(?=\s|$)/gi;
const COMPARE: Record<string, (a: number, b: number) => boolean> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
};

// A condition on what is no measure is text like any other: answers have such texts, too. It is said all the same.
export function readQuery(query: string, measures: Measures): Query {
  const pattern = /(?:^|\s)\/.+\/\s*$/s.exec(query);
  const front = pattern ? query.slice(0, pattern.index) : query;
  const tests: Query["tests"] = [];
  let fault: string | null = null;
  const words = front.replace(CONDITION, (whole: string, name: string, sign: string, figure: string) => {
    const measure = measures.get(name.toLowerCase());
    if (!measure) {
      fault = `no measure is called ${name}; there are ${[...measures.keys()].join(", ")}`;
      return whole;
    }
    tests.push((row) => {
      const value = measure(row);
      return typeof value === "number" && COMPARE[sign](value, Number(figure));
    });
    return "";
  });
  return { text: `${words.trim()} ${pattern?.[0].trim() ?? ""}`.trim(), tests, fault };
}
