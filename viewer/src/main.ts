// Starts the page.

import { App } from "./app";
import { readHead } from "./data";
import { DiffSubject } from "./diff";
import { h } from "./dom";
import { RunSubject } from "./run";

const head = readHead();
const app = new App(head, head.kind === "run" ? new RunSubject(head) : new DiffSubject(head));
app.start().catch((error: unknown) => {
  const said = error instanceof Error ? error.message : String(error);
  document
    .getElementById("app")
    ?.append(h("p", { class: "failure", role: "alert" }, `This page cannot be shown: ${said}. It needs a browser of 2024 or later.`));
});
