// The home page: filters that stand in the address, keys for rows, and rows that follow the folder while a run goes on.

import { h } from "./dom";
import { listen, setKeys } from "./keys";
import { topBar } from "./served";
import { many } from "./text";

interface Sought {
  text: string;
  experiment: string;
  model: string[];
  prompt: string[];
  state: string[];
}
interface HomeData {
  live: boolean;
  runs: Sought[];
}

const REFRESH_MS = 2000;
const CHOICES = ["experiment", "model", "prompt", "state"] as const;
let data = read(document);
let current = -1;

function read(page: Document): HomeData {
  return JSON.parse(page.getElementById("data")?.textContent ?? "{}") as HomeData;
}

const form = (): HTMLFormElement | null => document.querySelector("form.filters");
const rows = (): HTMLTableRowElement[] => [...document.querySelectorAll<HTMLTableRowElement>("tr.run")];
const visible = (): HTMLTableRowElement[] => rows().filter((row) => !row.hidden);
const query = (): URLSearchParams => new URLSearchParams(location.search);

function fits(run: Sought, wanted: URLSearchParams): boolean {
  const words = (wanted.get("q") ?? "").toLowerCase().split(/\s+/);
  if (!words.every((word) => run.text.includes(word))) return false;
  return CHOICES.every((name) => !wanted.get(name) || [run[name]].flat().includes(wanted.get(name) as string));
}

function apply(): void {
  const wanted = query();
  let found = 0;
  rows().forEach((row, place) => {
    row.hidden = !fits(data.runs[place], wanted);
    if (!row.hidden) found++;
  });
  for (const group of document.querySelectorAll<HTMLElement>("table.runs tbody"))
    group.hidden = !group.querySelector("tr.run:not([hidden])");
  const [count, none] = [document.getElementById("count"), document.getElementById("none")];
  if (count) count.textContent = found === data.runs.length ? many(found, "run") : `${found} of ${many(data.runs.length, "run")}`;
  if (none) none.hidden = found > 0;
  mark();
}

function changed(): void {
  const wanted = query();
  for (const name of ["q", ...CHOICES]) {
    const value = (form()?.elements.namedItem(name) as HTMLInputElement | null)?.value;
    if (value) wanted.set(name, value);
    else wanted.delete(name);
  }
  const text = wanted.toString();
  history.replaceState(history.state, "", text ? `?${text}` : location.pathname);
  current = -1;
  apply();
}

function fill(): void {
  for (const name of ["q", ...CHOICES]) {
    const field = form()?.elements.namedItem(name) as HTMLInputElement | null;
    if (field) field.value = query().get(name) ?? "";
  }
}

function mark(): void {
  rows().forEach((row) => row.classList.remove("current"));
  visible()[current]?.classList.add("current");
}

function select(place: number): void {
  const all = visible();
  if (!all.length) return;
  current = Math.min(Math.max(place, 0), all.length - 1);
  mark();
  all[current].querySelector<HTMLElement>("a")?.focus({ preventScroll: true });
  all[current].scrollIntoView({ block: "nearest" });
}

function press(link: string): void {
  visible()[current]?.querySelector<HTMLAnchorElement>(`a.${link}`)?.click();
}

// Choosing a baseline, or leaving it, keeps the filters.
function keepFilters(event: MouseEvent): void {
  const link = (event.target as Element).closest<HTMLAnchorElement>("a.compare, a#leave");
  if (!link || link.pathname !== "/") return;
  const wanted = query();
  wanted.delete("baseline");
  const baseline = new URL(link.href).searchParams.get("baseline");
  if (baseline) wanted.set("baseline", baseline);
  link.search = wanted.toString();
}

async function refresh(): Promise<void> {
  try {
    const said = await fetch(location.href);
    if (said.ok) show(new DOMParser().parseFromString(await said.text(), "text/html"));
  } catch {
    // the server has ended: what is shown stays
  }
  if (data.live) setTimeout(() => void refresh(), REFRESH_MS);
}

function show(page: Document): void {
  const [old, fresh] = [document.getElementById("runs"), page.getElementById("runs")];
  if (!old || !fresh) return;
  const focused = document.activeElement?.closest("tr.run") ? current : -1;
  old.replaceWith(document.importNode(fresh, true));
  data = read(page);
  apply();
  if (focused >= 0) select(focused);
}

function keys(): void {
  setKeys([
    { keys: ["j", "ArrowDown"], does: "next run", run: () => select(current + 1) },
    { keys: ["k", "ArrowUp"], does: "previous run", run: () => select(current - 1) },
    { keys: ["c"], does: "compare: choose the baseline, then the candidate", run: () => press("compare") },
    { keys: ["l"], does: "label answers of the run", run: () => press("label") },
    {
      keys: ["/"],
      does: "search",
      run: () => (form()?.elements.namedItem("q") as HTMLInputElement | null)?.select(),
    },
    { keys: ["Escape"], does: "leave the search, then clear the baseline and the filters", typing: true, run: leave },
    { keys: ["t"], does: "theme: auto, light, dark", run: () => document.getElementById("theme")?.click() },
  ]);
}

function leave(): void {
  if (document.activeElement?.matches("input, select")) return (document.activeElement as HTMLElement).blur();
  if (location.search) location.assign("/");
}

topBar("view");
listen();
keys();
fill();
form()?.addEventListener("input", changed);
form()?.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("click", keepFilters);
document.getElementById("main")?.append(h("p", { class: "said" }, "Press ? for the keys."));
apply();
if (query().get("baseline")) select(visible().findIndex((row) => row.matches(".baseline")));
if (data.live) setTimeout(() => void refresh(), REFRESH_MS);
document.documentElement.dataset.ready = "true";
