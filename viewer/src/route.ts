// What is shown is in the address behind #, so that every view is a link: #/?status=error or #/example/P/D/ID/M/0?q=x

export interface Route {
  example: string[] | null;
  query: URLSearchParams;
}

export function readRoute(): Route {
  const hash = location.hash.replace(/^#\/?/, "");
  const [path, query] = [hash.split("?", 1)[0], hash.slice(hash.indexOf("?") + 1 || hash.length)];
  const parts = path
    .split("/")
    .filter((part, place) => place === 0 || part !== undefined)
    .map(decode);
  return { example: parts[0] === "example" && parts.length === 6 ? parts.slice(1) : null, query: new URLSearchParams(query) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function link(example: (string | number)[] | null, query: URLSearchParams): string {
  const path = example ? `example/${example.map((part) => encodeURIComponent(part)).join("/")}` : "";
  const text = query.toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

export function go(hash: string, replace = false): void {
  if (replace) {
    history.replaceState(history.state, "", hash);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = hash;
}

export function withParameter(query: URLSearchParams, name: string, value: string | null): URLSearchParams {
  const changed = new URLSearchParams(query);
  if (value) changed.set(name, value);
  else changed.delete(name);
  return changed;
}
