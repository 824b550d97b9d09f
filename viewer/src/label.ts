// Labelling: one answer after another, a key for each verdict. Every verdict is sent at once and in order; what the
// server has not stored yet stays here, and is said to be unsaved.

import { announce, h } from "./dom";
import { listen, setKeys } from "./keys";
import * as parts from "./parts";
import { topBar } from "./served";
import { line } from "./text";
import type { Answer, Json, Message, RequestSent, Scores } from "./types";

type Verdict = "pass" | "fail" | "skip" | "open";

interface Labelled {
  answer: string;
  example: string;
  probe: string;
  model: string | null;
  input: string | Message[];
  request: RequestSent | null;
  response: Answer;
  expected?: Json[];
  scores?: Scores | null;
  verdict: Verdict;
  note: string;
  counts: boolean; // whether the verdict was given in a sample like this one
  others: { by: string; verdict: Verdict; note: string }[];
}
interface LabelData {
  rubrics: Record<string, string>; // of the probes that have one
  kind: "start" | "answers" | "review";
  words: { pass: string; fail: string };
  save: string;
  back: string;
  person: string;
  token: string;
  drawn: string;
  shown: string[];
  answers: Labelled[];
}
interface Change {
  at: number;
  verdict: Verdict;
  note: string;
}

const WORDS: Record<Verdict, { word: string; tone: string }> = {
  pass: { word: "pass", tone: "good" },
  fail: { word: "fail", tone: "bad" },
  skip: { word: "skipped", tone: "none" },
  open: { word: "open", tone: "none" },
};

class Labelling {
  private at = 0;
  private unsaved: Change[] = [];
  private sending = false;
  private problem = "";
  private undone: Change[] = []; // what each change replaced, newest last
  private bar = h("div", { class: "labelbar" });
  private view = h("article", { class: "example", "aria-live": "off" });
  private actions = h("div", { class: "verdicts", role: "toolbar", "aria-label": "Your verdict" });
  private trouble = h("div", { class: "failure trouble", role: "alert", hidden: true });

  constructor(private data: LabelData) {}

  start(): void {
    const main = document.getElementById("main") as HTMLElement;
    const heading = main.querySelector("h1") as HTMLElement;
    heading.classList.add("offscreen");
    main.replaceChildren(heading, this.bar, this.trouble, this.view, this.actions);
    const from = Number(location.hash.slice(1)) - 1;
    const open = this.data.answers.findIndex((one) => !this.isDone(one));
    this.at = this.data.answers[from] ? from : Math.max(open, 0);
    addEventListener("beforeunload", (event) => this.unsaved.length && event.preventDefault());
    setKeys([
      { keys: ["1", "p"], does: "pass", run: (event) => this.press(event, "pass") },
      { keys: ["2", "f"], does: "fail", run: (event) => this.press(event, "fail") },
      { keys: ["3", "s"], does: "skip: I cannot tell", run: (event) => this.press(event, "skip") },
      { keys: ["n"], does: "write a note", run: () => this.writeNote() },
      { keys: ["u"], does: "undo the last verdict or note", run: () => this.undo() },
      { keys: ["ArrowRight", "j"], does: "next answer", run: () => this.step(1) },
      { keys: ["ArrowLeft", "k"], does: "previous answer", run: () => this.step(-1) },
      { keys: ["o"], does: "next answer without a label", run: () => this.next() },
      { keys: ["r"], does: "try to save again", run: () => void this.send() },
      { keys: ["t"], does: "theme: auto, light, dark", run: () => document.getElementById("theme")?.click() },
    ]);
    this.show();
  }

  private isDone(one: Labelled): boolean {
    return one.verdict !== "open" && one.counts;
  }

  // A key that is held down is one verdict.
  private press(event: KeyboardEvent, verdict: Verdict): void {
    if (!event.repeat) this.say(verdict);
  }

  private say(verdict: Verdict): void {
    const one = this.data.answers[this.at];
    if (!one || this.problem) return;
    this.change({ at: this.at, verdict, note: one.note });
    announce(`${WORDS[verdict].word}, ${this.done()} of ${this.data.answers.length}`);
    this.next();
  }

  private change(change: Change): void {
    const one = this.data.answers[change.at];
    this.undone.push({ at: change.at, verdict: one.verdict, note: one.note });
    this.store(change);
  }

  private store(change: Change): void {
    Object.assign(this.data.answers[change.at], { verdict: change.verdict, note: change.note, counts: true });
    this.unsaved.push(change);
    void this.send();
  }

  private undo(): void {
    const before = this.undone.pop();
    if (!before || this.problem) return;
    this.store(before);
    this.at = before.at;
    announce(`Taken back: ${WORDS[before.verdict].word}`);
    this.show();
  }

  private async send(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    while (this.unsaved.length) {
      this.problem = await this.post(this.unsaved[0]);
      if (this.problem) break;
      this.unsaved.shift();
    }
    this.sending = false;
    this.showState();
  }

  private async post(change: Change): Promise<string> {
    const { token, drawn, shown, save } = this.data;
    const answer = this.data.answers[change.at].answer;
    const body = JSON.stringify({ answer, verdict: change.verdict, note: change.note, drawn, shown });
    try {
      const headers = { "Content-Type": "application/json", "X-Insidellms-Token": token };
      const said = await fetch(save, { method: "POST", headers, body });
      return said.ok ? "" : await said.text();
    } catch {
      return "The server does not answer. Start `insidellms view` again on the same port, and reload this page.";
    }
  }

  private step(by: number): void {
    const to = this.at + by;
    if (to < 0 || to >= this.data.answers.length) return announce(by < 0 ? "This is the first answer" : "This is the last answer");
    this.at = to;
    this.show();
  }

  // Goes to the next answer that is open, from here on and then from the start; stays where none is.
  private next(): void {
    const all = this.data.answers;
    for (let by = 1; by <= all.length; by++) {
      const to = (this.at + by) % all.length;
      if (!this.isDone(all[to])) {
        this.at = to;
        return this.show();
      }
    }
    this.show();
  }

  private writeNote(): void {
    const one = this.data.answers[this.at];
    if (!one || this.problem || this.data.kind === "review") return;
    const at = this.at;
    const area = h("textarea", { id: "note", rows: 4, maxlength: 10_000, "aria-labelledby": "note-title" });
    area.value = one.note;
    const dialog = h("dialog", { "aria-labelledby": "note-title" });
    const save = (): void => {
      dialog.close();
      if (area.value === one.note) return;
      this.change({ at, verdict: one.verdict, note: area.value });
      announce("Note written");
      this.show();
    };
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      save();
    });
    dialog.addEventListener("close", () => dialog.remove());
    dialog.append(
      h("h2", { id: "note-title" }, "Note"),
      area,
      h("p", { class: "said" }, "Enter saves, Shift+Enter starts a new line, Esc cancels."),
      h("button", { type: "button", click: save }, "Save"),
      " ",
      h("button", { type: "button", class: "quiet", click: () => dialog.close() }, "Cancel"),
    );
    document.body.append(dialog);
    dialog.showModal();
    area.focus();
  }

  private done(): number {
    return this.data.answers.filter((one) => this.isDone(one)).length;
  }

  private show(): void {
    const one = this.data.answers[this.at];
    this.showState();
    if (!one) return this.view.replaceChildren(h("p", { class: "nothing" }, "There is no answer to label in this sample."));
    history.replaceState(history.state, "", `#${this.at + 1}`);
    const heading = h("h2", { tabindex: "-1", class: "place" }, `Answer ${this.at + 1} of ${this.data.answers.length}`);
    this.view.replaceChildren(
      heading,
      parts.facts([
        ["Example", one.example],
        ["Judged by", one.probe],
        ["Model", one.model],
      ]),
      this.rubric(one.probe),
      h(
        "div",
        { class: "columns" },
        parts.section("Question", parts.input(parts.sent(one.request, one.input))),
        parts.section("Answer", ...parts.answerPart(one.response, true)),
      ),
      ...this.asked(one),
    );
    scrollTo({ top: 0 });
    heading.focus({ preventScroll: true });
  }

  private rubric(probe: string): HTMLElement {
    const told = Object.hasOwn(this.data.rubrics, probe) && this.data.rubrics[probe];
    return told ? h("p", { class: "rubric" }, "Does it fulfil this? ", h("strong", { dir: "auto" }, line(told))) : h("p", { hidden: true });
  }

  // What is there only where it was asked for.
  private asked(one: Labelled): Node[] {
    const expected = one.expected?.length ? [parts.section("Expected", parts.expectedPart(one.expected))] : [];
    const verdict = one.scores ? parts.verdictOf(one.scores.passed, "success") : null;
    const scores = verdict
      ? [parts.section("The probe's verdict", parts.badge(verdict.word, verdict.tone), parts.scoresPart(one.scores!))]
      : [];
    const said = one.others.map((other) =>
      h(
        "li",
        {},
        `${line(other.by)} `,
        parts.badge(WORDS[other.verdict].word, WORDS[other.verdict].tone),
        other.note ? ` ${line(other.note)}` : null,
      ),
    );
    return [...expected, ...scores, ...(said.length ? [parts.section("What people said", h("ul", { class: "said-by" }, ...said))] : [])];
  }

  private showState(): void {
    const [done, all] = [this.done(), this.data.answers.length];
    const pending = this.unsaved.length;
    this.bar.replaceChildren(
      h("progress", { max: Math.max(all, 1), value: done, "aria-label": "Labelled" }),
      h("span", { class: "count" }, `${done} of ${all} labelled`),
      h("span", { class: "said" }, pending ? `${pending} not saved yet` : "all saved"),
      this.data.kind === "review"
        ? ""
        : h("span", { class: "said" }, "as ", h("strong", {}, line(this.data.person)), `, ${this.data.drawn}`),
      h("a", { href: this.data.back }, this.data.kind === "review" ? "Runs" : done === all ? "All labelled: see the results" : "Results"),
    );
    this.trouble.hidden = !this.problem;
    if (this.problem) {
      const again = h("button", { type: "button", click: () => void this.send() }, "Try again ", h("kbd", {}, "r"));
      this.trouble.replaceChildren(h("p", {}, h("strong", {}, "Not saved. "), line(this.problem)), again);
    }
    this.showActions();
  }

  private showActions(): void {
    const one = this.data.answers[this.at];
    const off = !one || this.problem !== "";
    const button = (
      name: string,
      key: string,
      run: () => void,
      pressed?: boolean,
      disabled = off,
      kind = name.toLowerCase(),
    ): HTMLButtonElement =>
      h(
        "button",
        {
          type: "button",
          click: run,
          disabled,
          class: `say-${kind}`,
          "aria-pressed": pressed === undefined ? null : String(pressed),
        },
        name,
        " ",
        h("kbd", {}, key),
      );
    const is = (verdict: Verdict): boolean => one?.verdict === verdict;
    const focus = this.actions.contains(document.activeElement) ? (document.activeElement as HTMLElement).className : "";
    this.actions.replaceChildren(
      button(this.data.words.pass, "1", () => this.say("pass"), is("pass"), off, "pass"),
      button(this.data.words.fail, "2", () => this.say("fail"), is("fail"), off, "fail"),
      button("Skip", "3", () => this.say("skip"), is("skip")),
      this.data.kind === "review" ? "" : button("Note", "n", () => this.writeNote()),
      button("Undo", "u", () => this.undo(), undefined, off || !this.undone.length),
      button("Previous", "←", () => this.step(-1), undefined, this.at <= 0),
      button("Next", "→", () => this.step(1), undefined, this.at >= this.data.answers.length - 1),
      h("span", { class: "mine", role: "status" }, ...(one ? this.mine(one) : [])),
    );
    if (focus) this.actions.querySelector<HTMLElement>(`button.${focus}`)?.focus({ preventScroll: true });
  }

  private mine(one: Labelled): (Node | string)[] {
    const { word, tone } = WORDS[one.verdict];
    const elsewhere = one.verdict !== "open" && !one.counts ? " in another sample" : "";
    return ["You: ", parts.badge(word, tone), elsewhere, ...(one.note ? [" · ", h("em", {}, line(one.note).slice(0, 200))] : [])];
  }
}

const data = JSON.parse(document.getElementById("data")?.textContent ?? "{}") as LabelData;
topBar("label");
listen();
if (data.kind !== "start") new Labelling(data).start();
else setKeys([{ keys: ["t"], does: "theme: auto, light, dark", run: () => document.getElementById("theme")?.click() }]);
document.documentElement.dataset.ready = "true";
