// What is searched for: words whatever their case, or a pattern between slashes, as in /colou?r/.

export interface Needle {
  test: (text: string) => boolean;
  literal: string | null; // in lower case, where it is no pattern
  fault: string | null;
}

export function needleOf(query: string): Needle | null {
  const text = query.trim();
  if (!text) return null;
  const pattern = /^\/(.+)\/$/s.exec(text);
  if (!pattern) {
    const literal = text.toLowerCase();
    return { test: (other) => other.toLowerCase().includes(literal), literal, fault: null };
  }
  try {
    const found = new RegExp(pattern[1], "ius");
    return { test: (other) => found.test(other), literal: null, fault: null };
  } catch (error) {
    return { test: () => false, literal: null, fault: error instanceof Error ? error.message : "not a pattern" };
  }
}
